//! An export as people read it.

use serde_json::Value;

use super::{gather::Gathered, wording::Language};
use crate::{
    domain::{patients::document, record::model::Entry},
    pdf::{Block, Document},
};

/// The document.
pub(super) fn document(all: &Gathered, exported_at: chrono::DateTime<chrono::Utc>) -> Document {
    let language = Language::of(&all.locale);
    let mut paper = Paper { language, blocks: Vec::new() };
    paper.profile(all);
    paper.appointments(all);
    if let Some(record) = &all.record {
        paper.heading("Ficha clínica", "Clinical record");
        if record.is_empty() {
            paper.text(language.says("Sin registros.", "No entries."));
        }
        for entry in record {
            paper.entry(entry, all);
        }
    }
    if !all.files.is_empty() {
        paper.heading("Archivos", "Files");
        all.file_names().iter().for_each(|name| paper.text(name));
    }
    let at = exported_at.with_timezone(&all.zone).format(language.moment());
    Document {
        title: format!("{} — {}", language.says("Datos del paciente", "Patient's data"), all.centre),
        language: all.locale.clone(),
        footer: format!("{} · {at}", all.centre),
        blocks: paper.blocks,
    }
}

struct Paper {
    language: Language,
    blocks: Vec<Block>,
}

impl Paper {
    fn heading(&mut self, spanish: &'static str, english: &'static str) {
        self.blocks.push(Block::Heading(self.language.says(spanish, english).to_owned()));
    }

    fn text(&mut self, text: &str) {
        self.blocks.push(Block::Text(text.to_owned()));
    }

    fn field(&mut self, spanish: &'static str, english: &'static str, value: Option<String>) {
        let label = self.language.says(spanish, english).to_owned();
        self.labelled(label, value);
    }

    fn labelled(&mut self, label: String, value: Option<String>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.blocks.push(Block::Field { label, value });
        }
    }

    fn profile(&mut self, all: &Gathered) {
        let (brief, profile) = (&all.patient.brief, &all.patient.profile);
        let language = self.language;
        let name = [Some(&brief.given_names), brief.paternal_surname.as_ref(), brief.maternal_surname.as_ref()];
        let name: Vec<&str> = name.into_iter().flatten().map(String::as_str).collect();
        let document = brief.document.as_ref();
        let document =
            document.map(|(kind, number, country)| format!("{kind} {} ({country})", document::shown(kind, number)));
        let consent = if profile.marketing.granted { "true" } else { "false" };
        self.heading("Datos personales", "Personal data");
        self.field("Nombre", "Name", Some(name.join(" ")));
        self.field("N° de ficha", "File number", brief.file_number.clone());
        self.field("Documento", "Document", document);
        self.field("Nacimiento", "Born", brief.birth_date.map(|date| date.format(language.date()).to_string()));
        self.field("Sexo", "Sex", Some(language.word(&brief.sex).to_owned()));
        self.field("Correo", "E-mail", brief.email.clone());
        self.field("Teléfonos", "Telephones", Some(brief.phones.join("\n")));
        self.field("Estado", "Status", Some(language.word(&brief.status).to_owned()));
        self.field("Categoría", "Category", all.category.clone());
        self.field("Profesional habitual", "Usual professional", all.professional.clone());
        self.field("Procedencia", "Referral source", profile.referral_source.clone());
        self.field("Tutores", "Guardians", Some(all.guardians.join("\n")));
        self.field("Acepta publicidad", "Agrees to marketing", Some(language.word(consent).to_owned()));
        self.field("Comentarios", "Comments", Some(profile.comments.join("\n")));
        for field in &all.fields {
            let value = profile.custom.get(&field.key).map(|value| self.value(value));
            self.labelled(field.label.clone(), value);
        }
    }

    fn appointments(&mut self, all: &Gathered) {
        self.heading("Citas", "Appointments");
        if all.appointments.is_empty() {
            self.text(self.language.says("Sin citas.", "No appointments."));
        }
        for one in &all.appointments {
            let text = |name: &str| one[name].as_str().unwrap_or_default();
            let items = one["items"].as_array().map(Vec::as_slice).unwrap_or_default();
            let items: Vec<String> = items
                .iter()
                .map(|item| {
                    let parts = [item["treatment"].as_str(), item["professional"].as_str()];
                    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
                })
                .collect();
            let items = items.join("; ");
            let label = text("localStart").chars().take(16).collect::<String>().replace('T', " ");
            let status = self.language.word(text("status"));
            let value = [text("branch"), status, &items, text("notes"), text("cancelReason")];
            let value: Vec<&str> = value.into_iter().filter(|part| !part.is_empty()).collect();
            let value = value.join("\n");
            self.labelled(label, Some(value));
        }
    }

    fn entry(&mut self, entry: &Entry, all: &Gathered) {
        let language = self.language;
        let moment =
            |at: chrono::DateTime<chrono::Utc>| at.with_timezone(&all.zone).format(language.moment()).to_string();
        let title =
            format!("{} — {} ({})", moment(entry.at), entry.template.name, language.word(entry.status.as_str()));
        self.blocks.push(Block::Subheading(title));
        self.field("Autor", "Author", Some(entry.author.name.clone()));
        let signed = entry.signed.as_ref().map(|signed| format!("{}, {}", signed.by.name, moment(signed.at)));
        self.field("Firma", "Signed", signed);
        self.field("Motivo de la enmienda", "Why it was amended", entry.amendment_reason.clone());
        for field in &entry.seen {
            let value = entry.values.get(&field.key).map(|value| {
                let unit = field.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
                format!("{}{unit}", self.value(value))
            });
            self.labelled(field.label.clone(), value);
        }
    }

    /// A value in words: lists line by line, what is drawn as how much there is of it.
    fn value(&self, value: &Value) -> String {
        match value {
            Value::Null => String::new(),
            Value::Bool(yes) => self.language.word(if *yes { "true" } else { "false" }).to_owned(),
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Array(list) => list.iter().map(|one| self.value(one)).collect::<Vec<_>>().join("\n"),
            Value::Object(fields) => {
                let one = |(name, value): (&String, &Value)| format!("{name}: {}", self.value(value));
                fields.iter().map(one).collect::<Vec<_>>().join(", ")
            }
        }
    }
}
