//! Fills centres with appointments. Centres are made by the production path; the many rows are written by
//! INSERT … SELECT, on a regular grid in which nothing can be booked twice, with the heavy indexes built afterwards.

pub mod people;
mod rows;

use std::path::Path;

use chrono::{DateTime, Days, FixedOffset, NaiveDate};
use futures::{TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use sqlx::Connection as _;

use crate::{
    centre::{self, Centre},
    cluster::Cluster,
    fail::{Fail, Result},
    node::Program,
    say,
    scale::Scale,
};

/// Appointments that a professional has on a day of the grid.
const A_DAY: i64 = 10;
/// The grid ends so many days after today.
const AHEAD: i64 = 15;

/// What is filled in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Data {
    /// With these sizes.
    pub scale: Scale,
    /// The day on which it was filled, in the branches' zone.
    pub today: NaiveDate,
    /// Ordinary centres.
    pub centres: Vec<Centre>,
    /// A long past and the same weeks …
    pub long: Centre,
    /// … as this one with a short past.
    pub short: Centre,
    /// How often the floor of booking has run: each run has ids of its own.
    pub floor_runs: usize,
}

impl Data {
    /// What an earlier run has left, if it fits.
    pub fn load(folder: &Path, scale: &Scale) -> Option<Self> {
        let text = std::fs::read_to_string(folder.join("data.json")).ok()?;
        let data: Self = serde_json::from_str(&text).ok()?;
        (data.scale.same_data(scale) && data.today == today()).then_some(Self { scale: *scale, ..data })
    }

    /// For later runs.
    pub fn save(&self, folder: &Path) -> Result<()> {
        Ok(std::fs::write(folder.join("data.json"), serde_json::to_string_pretty(self)?)?)
    }

    /// Days with a full grid, the nearest first.
    pub fn full_day(&self, number: usize) -> NaiveDate {
        let ahead = 1 + number % usize::try_from(AHEAD - 2).unwrap_or(1);
        self.today + Days::new(u64::try_from(ahead).unwrap_or_default())
    }
}

/// Today in the branches' zone.
pub fn today() -> NaiveDate {
    let lima = FixedOffset::west_opt(5 * 3600);
    let now = DateTime::<chrono::Utc>::from(now());
    lima.map(|lima| now.with_timezone(&lima).date_naive()).unwrap_or_else(|| now.date_naive())
}

#[expect(clippy::disallowed_methods, reason = "a load generator lives in real time")]
fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

/// A run of appointments on the grid.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// Number of the first.
    from: i64,
    /// How many.
    count: i64,
    /// Its first day.
    day: NaiveDate,
    /// How many appointments each professional has in a day.
    a_day: i64,
    /// Minutes from one start to the next.
    step: i64,
    /// With all professionals, also those of the past, and without rooms.
    past: bool,
}

/// Creates and fills everything.
pub async fn run(cluster: &Cluster, program: &Program, scale: &Scale) -> Result<Data> {
    program.run(&["migrate"], "").await?;
    let node = program.serve(&[], &[]).await?;
    let mut admin = cluster.connect().await?;
    let mut slugs: Vec<String> = (1..=scale.tenants).map(|number| format!("bench-{number:02}")).collect();
    slugs.extend(["bench-long".to_owned(), "bench-short".to_owned()]);
    let bar = say::bar("creating centres", slugs.len());
    let mut centres = Vec::new();
    for slug in &slugs {
        centres.push(centre::create(program, node.address, &mut admin, slug).await?);
        bar.inc(1);
    }
    bar.finish();
    node.stop().await?;
    admin.close().await?;
    let (Some(short), Some(long)) = (centres.pop(), centres.pop()) else {
        return Err(Fail::new("no centres were created"));
    };

    let today = today();
    cluster.fast().await?;
    let bar = say::bar("filling centres", centres.len() + 2);
    let per_day = A_DAY * i64::try_from(centre::PEOPLE).unwrap_or(1);
    let window = |from: i64, days: i64| Block {
        from,
        count: days * per_day,
        day: day(today, AHEAD - days),
        a_day: A_DAY,
        step: 60,
        past: false,
    };
    let ordinary = window(0, scale.appointments / per_day);
    // Both have the same weeks around today, and differ in what lies before them.
    let weeks = AHEAD + 14;
    let crowded = rows::FORMER + i64::try_from(centre::PEOPLE).unwrap_or_default();
    let dense = Block { from: 0, count: scale.long_history, day: today, a_day: 22, step: 30, past: true };
    let dense = Block { day: day(today, -14 - scale.long_history.div_euclid(crowded * 22) - 1), ..dense };
    let light = window(0, scale.short_history / per_day);
    let light = Block { day: day(today, -14 - scale.short_history / per_day), past: true, ..light };
    let mut work: Vec<(Centre, Vec<Block>, i64)> = vec![
        (long.clone(), vec![dense, window(dense.count, weeks)], scale.patients * 5),
        (short.clone(), vec![light, window(light.count, weeks)], scale.patients.min(5_000)),
    ];
    work.extend(centres.iter().map(|centre| (centre.clone(), vec![ordinary], scale.patients)));
    stream::iter(work.into_iter().map(Ok::<_, Fail>))
        .try_for_each_concurrent(2, async |(centre, blocks, patients)| {
            let former = centre.slug == long.slug;
            rows::fill(cluster, &centre, &blocks, patients, former).await?;
            bar.inc(1);
            Ok(())
        })
        .await?;
    bar.finish();
    cluster.durable().await?;
    Ok(Data { scale: *scale, today, centres, long, short, floor_runs: 0 })
}

fn day(today: NaiveDate, offset: i64) -> NaiveDate {
    today + chrono::TimeDelta::days(offset)
}
