//! All cells that are wrong, told at once.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    cell::{Cell, Outcome},
    is_staff, refusal,
    rows::{self, Line},
    stage::Caller,
};

/// To whom is logged in they say NOT_FOUND where others say FORBIDDEN: they serve every kind of object, and FORBIDDEN would
/// tell that an id is one.
/// Jobs hide as well: one of somebody else is none.
const HIDING: [&str; 4] = ["Query.node", "Query.nodes", "Query.job", "Subscription.jobProgress"];

#[derive(Default)]
pub struct Verdict {
    tried: usize,
    /// By line, by column.
    wrong: BTreeMap<String, BTreeMap<String, String>>,
}

impl Verdict {
    /// A call about somebody else's.
    pub fn judge(&mut self, line: &Line, caller: &Caller, cell: Cell, outcome: &Outcome) {
        let fits = match cell {
            Cell::Allowed => *outcome == Outcome::Done,
            Cell::OwnOnly => outcome.keeps_others(),
            Cell::Refused | Cell::RefusedOtherwise => refuses(line, caller, outcome),
        };
        self.tell(fits, line, caller, cell, "another's", outcome);
    }

    /// A call about the caller's own, of who has something.
    pub fn judge_own(&mut self, line: &Line, caller: &Caller, cell: Cell, outcome: &Outcome) {
        let fits = if cell.is_open() { *outcome == Outcome::Done } else { refuses(line, caller, outcome) };
        self.tell(fits, line, caller, cell, "the own", outcome);
    }

    fn tell(&mut self, fits: bool, line: &Line, caller: &Caller, cell: Cell, whose: &str, outcome: &Outcome) {
        self.tried += 1;
        if !fits {
            self.add(line, caller.code, format!("the table says {cell:?}; about {whose} it was {outcome:?}"));
        }
    }

    pub fn add(&mut self, line: &Line, code: &str, what: String) {
        let of = self.wrong.entry(line.name.clone()).or_default().entry(code.to_owned()).or_default();
        let _ = write!(of, "{what}; ");
    }

    /// Fails with the lines of the table that are wrong, and with what happened.
    pub fn announce(self) {
        println!("matrix: {} calls, {} lines with wrong cells", self.tried, self.wrong.len());
        assert!(self.tried > 0, "nothing was tried");
        let mut text = format!("{:<44}{}\n", "wrong cells are ^^^", rows::header().join(" "));
        for (name, cells) in &self.wrong {
            let mark = |code: &&str| if cells.contains_key(*code) { "^^^" } else { " . " };
            let marks: Vec<&str> = rows::header().iter().map(mark).collect();
            let _ = writeln!(text, "{name:<44}{}", marks.join(" "));
        }
        for (name, cells) in &self.wrong {
            for (code, what) in cells {
                let _ = writeln!(text, "{name} as {code}: {what}");
            }
        }
        assert!(self.wrong.is_empty(), "{text}");
    }
}

/// Whether it is what a caller gets who may not call this at all.
fn refuses(line: &Line, caller: &Caller, outcome: &Outcome) -> bool {
    // A field that is not shown is null or empty, in an object that may be.
    let hides = line.is_below_the_root() || (HIDING.contains(&line.field.as_str()) && is_staff(caller));
    let unseen = hides && *outcome == Outcome::Hidden;
    unseen || *outcome == refusal(caller)
}
