//! The rows of a file, read where reading may block and handed over some at a time: whoever takes them slowly makes the
//! reading wait, so memory does not grow with the file.

use std::{fs::File, ops::ControlFlow};

use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    cell::SexWords,
    mapping::{Mapping, MappingInput, Target},
};
use crate::{
    domain::refusal::{Failure, Refusal},
    sheets::{self, Bounds, Row, SheetError, Sink},
};

/// Rows of one step, and of one transaction.
pub(super) const STEP: usize = 500;
/// Steps that are read ahead.
const AHEAD: usize = 2;

/// What the whole of a file shows.
#[derive(Clone, Debug, Default)]
pub(super) struct Survey {
    pub(super) header: Vec<String>,
    /// Rows with something in them.
    pub(super) rows: u32,
    pub(super) sex: SexWords,
}

/// The first rows of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Beginning {
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Row>,
}

/// A file that cannot be read is its sender's matter: INVALID at `attachmentId`, or at the part of the mapping that does
/// not fit it.
pub(super) fn refused(error: SheetError) -> Failure {
    match error {
        SheetError::Io(error) => Failure::fault(error.to_string()),
        SheetError::NoSuchSheet { .. } => Refusal::invalid("mapping.sheet", error.to_string()).into(),
        SheetError::NoHeader(_) => Refusal::invalid("mapping.headerRow", error.to_string()).into(),
        other => Refusal::invalid("attachmentId", other.to_string()).into(),
    }
}

/// The header and the first rows.
pub(super) async fn begin(file: File, input: &MappingInput, rows: usize) -> Result<Beginning, Failure> {
    struct First(Beginning, usize);

    impl Sink for First {
        fn header(&mut self, header: Vec<String>) -> ControlFlow<()> {
            self.0.header = header;
            if self.1 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }

        fn row(&mut self, row: Row) -> ControlFlow<()> {
            self.0.rows.push(row);
            if self.0.rows.len() < self.1 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        }
    }

    let layout = input.layout();
    let reading = tokio::task::spawn_blocking(move || {
        let mut first = First(Beginning::default(), rows);
        sheets::read(&file, &layout, &Bounds::default(), &mut first).map(|()| first.0)
    });
    unblocked(reading).await
}

/// Reads all of a file once, and keeps nothing of it but what it takes to read it again.
pub(super) async fn survey(file: File, input: &MappingInput, mapping: &Mapping) -> Result<Survey, Failure> {
    struct Surveyor(Survey, Option<usize>);

    impl Sink for Surveyor {
        fn header(&mut self, header: Vec<String>) -> ControlFlow<()> {
            self.0.header = header;
            ControlFlow::Continue(())
        }

        fn row(&mut self, row: Row) -> ControlFlow<()> {
            self.0.rows += 1;
            if let Some(cell) = self.1.and_then(|at| row.cells.get(at)) {
                self.0.sex.look(cell);
            }
            ControlFlow::Continue(())
        }
    }

    let layout = input.layout();
    let sex = mapping.columns.iter().find(|column| column.target == Target::Sex).map(|column| column.at);
    let reading = tokio::task::spawn_blocking(move || {
        let mut surveyor = Surveyor(Survey::default(), sex);
        sheets::read(&file, &layout, &Bounds::default(), &mut surveyor).map(|()| surveyor.0)
    });
    unblocked(reading).await
}

async fn unblocked<T>(reading: JoinHandle<Result<T, SheetError>>) -> Result<T, Failure> {
    match reading.await {
        Ok(read) => read.map_err(refused),
        // The library that reads XLSX may give up on a file that was made to break it.
        Err(_) => Err(refused(SheetError::Damaged("it cannot be read".to_owned()))),
    }
}

/// The rows behind the first `done`, step by step.
pub(super) struct Steps {
    rows: mpsc::Receiver<Vec<Row>>,
    reading: Option<JoinHandle<Result<(), SheetError>>>,
}

impl Steps {
    /// Begins to read.
    pub(super) fn behind(file: File, input: &MappingInput, done: u32) -> Self {
        let layout = input.layout();
        let (sender, rows) = mpsc::channel(AHEAD);
        let reading = tokio::task::spawn_blocking(move || {
            let mut gathered = Gathered { sender, rows: Vec::with_capacity(STEP), skip: done };
            sheets::read(&file, &layout, &Bounds::default(), &mut gathered)?;
            // Nobody there to take them: the run was cut.
            let _ = gathered.hand_over();
            Ok(())
        });
        Self { rows, reading: Some(reading) }
    }

    /// The next rows; none: there are no more.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Row>>, Failure> {
        if let Some(rows) = self.rows.recv().await {
            return Ok(Some(rows));
        }
        match self.reading.take() {
            Some(reading) => unblocked(reading).await.map(|()| None),
            None => Ok(None),
        }
    }
}

struct Gathered {
    sender: mpsc::Sender<Vec<Row>>,
    rows: Vec<Row>,
    skip: u32,
}

impl Gathered {
    fn hand_over(&mut self) -> ControlFlow<()> {
        if self.rows.is_empty() {
            return ControlFlow::Continue(());
        }
        let rows = std::mem::replace(&mut self.rows, Vec::with_capacity(STEP));
        match self.sender.blocking_send(rows) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

impl Sink for Gathered {
    fn header(&mut self, _header: Vec<String>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn row(&mut self, row: Row) -> ControlFlow<()> {
        if self.skip > 0 {
            self.skip -= 1;
            return ControlFlow::Continue(());
        }
        self.rows.push(row);
        if self.rows.len() < STEP { ControlFlow::Continue(()) } else { self.hand_over() }
    }
}
