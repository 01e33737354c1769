//! What a centre offers on its booking page.

use crate::{
    auth::Actor,
    domain::{
        centre::{
            model::{Branch, Treatment},
            query,
        },
        cx::Cx,
        refusal::Failure,
    },
};

/// A booking page's contents.
pub struct PublicPage {
    /// The name that patients know.
    pub name: String,
    /// Its logo.
    pub logo_url: Option<String>,
    /// Places that can be booked online.
    pub branches: Vec<Branch>,
    /// Treatments that can be booked online.
    pub treatments: Vec<Treatment>,
    /// What the patient has to accept.
    pub policies: Option<String>,
}

/// Reads the page.
///
/// # Errors
/// Faults of the database.
pub async fn run(cx: &Cx, actor: &Actor) -> Result<PublicPage, Failure> {
    let tx = cx.read(actor).await?;
    let profile = query::profile(&tx).await?;
    let branches = query::online_branches(&tx).await?;
    let treatments = query::online_treatments(&tx).await?;
    tx.commit().await?;
    Ok(PublicPage {
        name: profile.trade_name,
        logo_url: profile.logo_url,
        branches,
        treatments,
        policies: profile.booking_policies,
    })
}
