//! Spanish: neutral Latin American, "usted", no gendered forms for the reader.

use super::{AMBER, BLUE, GREEN, KindWording, RED, SLATE, Wording};

const GREETING: &str = "Hola, {{ patient_name }}:";
const FOOTER: &str = "Recibe este mensaje automático porque tiene una cita en {{ centre_name }}.";

pub(super) const WORDING: Wording = Wording {
    when: "Fecha y hora",
    when_now: "Nueva fecha y hora",
    when_before: "Antes",
    place: "Lugar",
    treatment: "Atención",
    with: "con {}",
    code: "Código de reserva",
    reason: "Motivo",
    patient: "Paciente",
    channel: "Reservada por",
    channel_online: "Reserva en línea",
    channel_front_desk: "Recepción",
    channel_phone: "Teléfono",
    channel_api: "Sistema conectado",
    confirm: "Confirmar asistencia",
    change: "Cambiar o cancelar",
    calendar_file: "cita.ics",
    login_name: "Su usuario",
    link_until: "El enlace vale hasta",
    accept_invite: "Crear mi contraseña",
    set_password: "Elegir otra contraseña",
    confirmation: KindWording {
        subject: "Su cita está reservada: {{ when_short }} – {{ centre_name }}",
        preheader: "{{ when }}, {{ branch_name }}. Código {{ code }}.",
        heading: "Su cita está reservada",
        greeting: GREETING,
        intro: "Le esperamos en {{ centre_name }}. Estos son los datos de su cita:",
        notice: "{% if can_change %}Si no puede asistir, cambie o cancele su cita con anticipación: \
                 así otra persona podrá usar esa hora.{% elif phone %}Si no puede asistir, avísenos al \
                 {{ phone }}: así otra persona podrá usar esa hora.{% endif %}",
        footer: FOOTER,
        accent: GREEN,
    },
    centre_copy: KindWording {
        subject: "Nueva reserva: {{ patient_name }}, {{ when_short }} – {{ branch_name }}",
        preheader: "{{ when }}. Código {{ code }}.",
        heading: "Nueva reserva",
        greeting: "",
        intro: "Se registró una nueva cita en {{ branch_name }}:",
        notice: "",
        footer: "Recibe esta copia porque {{ centre_name }} la pidió para cada reserva de la sucursal.",
        accent: SLATE,
    },
    reminder: KindWording {
        subject: "Recordatorio de su cita: {{ when_short }} – {{ centre_name }}",
        preheader: "Le esperamos en {{ branch_name }}. Código {{ code }}.",
        heading: "Le recordamos su cita",
        greeting: GREETING,
        intro: "Le recordamos que tiene una cita en {{ centre_name }}:",
        notice: "{% if can_confirm %}Confirme su asistencia con un clic; no hace falta que llame. {% endif %}\
                 {% if can_change %}Si no puede venir, por favor cambie o cancele su cita.\
                 {% elif phone %}Si no puede venir, por favor avísenos al {{ phone }}.{% endif %}",
        footer: FOOTER,
        accent: BLUE,
    },
    rescheduled: KindWording {
        subject: "Su cita cambió de hora: {{ when_short }} – {{ centre_name }}",
        preheader: "Ahora es el {{ when }}, {{ branch_name }}.",
        heading: "Su cita tiene una nueva hora",
        greeting: GREETING,
        intro: "La hora de su cita en {{ centre_name }} cambió. Estos son los datos vigentes:",
        notice: "{% if can_change %}Si la nueva hora no le acomoda, puede cambiarla o cancelar su cita.\
                 {% elif phone %}Si la nueva hora no le acomoda, llámenos al {{ phone }}.{% endif %}",
        footer: FOOTER,
        accent: AMBER,
    },
    changed: KindWording {
        subject: "Cambiaron los datos de su cita: {{ when_short }} – {{ centre_name }}",
        preheader: "Es el {{ when }}, {{ branch_name }}.",
        heading: "Cambiaron los datos de su cita",
        greeting: GREETING,
        intro: "Cambiaron los datos de su cita en {{ centre_name }}. Estos son los vigentes:",
        notice: "{% if can_change %}Si el cambio no le acomoda, puede cambiar o cancelar su cita.\
                 {% elif phone %}Si el cambio no le acomoda, llámenos al {{ phone }}.{% endif %}",
        footer: FOOTER,
        accent: AMBER,
    },
    cancelled: KindWording {
        subject: "Su cita fue cancelada: {{ when_short }} – {{ centre_name }}",
        preheader: "{{ when }}, {{ branch_name }}. Código {{ code }}.",
        heading: "Su cita fue cancelada",
        greeting: GREETING,
        intro: "Su cita en {{ centre_name }} quedó cancelada. No necesita hacer nada más.",
        notice: "{% if phone %}Si desea reservar otra hora, llámenos al {{ phone }}.{% endif %}",
        footer: "Recibe este mensaje automático porque tenía una cita en {{ centre_name }}.",
        accent: RED,
    },
    refused: KindWording {
        subject: "No pudimos aceptar su solicitud: {{ when_short }} – {{ centre_name }}",
        preheader: "{{ when }}, {{ branch_name }}. Código {{ code }}.",
        heading: "No pudimos aceptar su solicitud",
        greeting: GREETING,
        intro: "Lamentablemente, {{ centre_name }} no puede atenderle a la hora que pidió. La cita no quedó reservada.",
        notice: "{% if phone %}Si desea pedir otra hora, llámenos al {{ phone }}.{% endif %}",
        footer: "Recibe este mensaje automático porque pidió una cita en {{ centre_name }}.",
        accent: RED,
    },
    invite: KindWording {
        subject: "Su acceso a {{ centre_name }}",
        preheader: "Cree su contraseña para empezar.",
        heading: "Su cuenta está lista",
        greeting: "Hola, {{ name }}:",
        intro: "{{ centre_name }} creó una cuenta para usted. Elija una contraseña para empezar a usarla:",
        notice: "El enlace es personal y se puede usar una sola vez. Si no esperaba este correo, no haga nada.",
        footer: "Recibe este mensaje automático porque {{ centre_name }} le dio acceso.",
        accent: GREEN,
    },
    password_reset: KindWording {
        subject: "Elija otra contraseña – {{ centre_name }}",
        preheader: "Alguien pidió una contraseña nueva para su cuenta.",
        heading: "Elija otra contraseña",
        greeting: "Hola, {{ name }}:",
        intro: "Alguien pidió una contraseña nueva para su cuenta en {{ centre_name }}. Si fue usted, elíjala aquí:",
        notice: "El enlace es personal y se puede usar una sola vez. Al elegir otra contraseña se cierran todas sus \
                 sesiones. Si no la pidió, no haga nada: su contraseña no ha cambiado.",
        footer: "Recibe este mensaje automático porque tiene una cuenta en {{ centre_name }}.",
        accent: BLUE,
    },
};
