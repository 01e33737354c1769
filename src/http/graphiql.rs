//! GraphiQL, served from the binary without any outside address.
//!
//! The page and its assets are embedded from `web/graphiql/`. What the page starts with (addresses, tabs with their
//! headers) is written into it as JSON. What the tabs ask for, and who may see the page, does not belong here.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use futures::future::{BoxFuture, FutureExt as _};
use rust_embed::{EmbeddedFile, RustEmbed};
use serde::{Deserialize, Serialize};

const PAGE: &str = include_str!("../../web/graphiql/page.html");

/// Styles may be inline because the editor positions its cursor with style elements; scripts may not.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     font-src 'self' data:; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

#[derive(RustEmbed)]
#[folder = "web/graphiql/static/"]
struct Assets;

/// A tab that the page opens with. Not `Debug`: its headers may carry a token.
#[derive(Clone, Serialize)]
pub struct Tab {
    title: String,
    query: String,
    variables: serde_json::Value,
    headers: BTreeMap<String, String>,
}

impl Tab {
    /// A tab with a `query` that should be a named operation: its name is what the tab is labelled with, and `title`
    /// stands above it as a comment.
    pub fn new(title: impl Into<String>, query: impl Into<String>) -> Self {
        Self { title: title.into(), query: query.into(), variables: serde_json::Value::Null, headers: BTreeMap::new() }
    }

    /// Sets the variables, a JSON object.
    #[must_use]
    pub fn variables(mut self, variables: serde_json::Value) -> Self {
        self.variables = variables;
        self
    }

    /// Adds a header to the tab's header editor. Subscriptions send it as a field of the `connection_init` payload.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }
}

type TabSource = dyn Fn() -> BoxFuture<'static, Vec<Tab>> + Send + Sync;

/// The GraphiQL page of one server.
#[derive(Clone)]
pub struct GraphiqlPage {
    endpoint: String,
    socket: String,
    tabs: Arc<TabSource>,
}

#[derive(Serialize)]
struct Settings<'a> {
    endpoint: &'a str,
    socket: &'a str,
    tabs: Vec<Tab>,
}

#[derive(Deserialize)]
struct AssetVersion {
    v: Option<String>,
}

impl GraphiqlPage {
    /// A page that always opens with `tabs`, and talks to `/graphql` over HTTP and WebSocket.
    pub fn new(tabs: Vec<Tab>) -> Self {
        Self::with_tab_source(move || std::future::ready(tabs.clone()))
    }

    /// A page that asks for its tabs each time it is loaded, for tabs with tokens that expire.
    pub fn with_tab_source<F, R>(source: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Vec<Tab>> + Send + 'static,
    {
        Self {
            endpoint: "/graphql".to_owned(),
            socket: "/graphql".to_owned(),
            tabs: Arc::new(move || source().boxed()),
        }
    }

    /// Sets where queries and mutations are posted: an absolute path or URL.
    #[must_use]
    pub fn endpoint(mut self, path: impl Into<String>) -> Self {
        self.endpoint = path.into();
        self
    }

    /// Sets where subscriptions connect: an absolute path or URL; the page chooses `ws` or `wss` by its own scheme.
    #[must_use]
    pub fn socket(mut self, path: impl Into<String>) -> Self {
        self.socket = path.into();
        self
    }

    /// The routes `/graphiql` and `/graphiql/{asset}`, to be merged into the server's router whatever its state.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        Router::new().route("/graphiql", get(page)).route("/graphiql/{asset}", get(asset)).with_state(self)
    }
}

async fn page(State(graphiql): State<GraphiqlPage>) -> Response {
    let tabs = (graphiql.tabs)().await;
    let settings = Settings { endpoint: &graphiql.endpoint, socket: &graphiql.socket, tabs };
    let Ok(settings) = serde_json::to_string(&settings) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let html = PAGE
        .replace("{{favicon}}", &asset_address("favicon.svg"))
        .replace("{{style}}", &asset_address("graphiql.css"))
        .replace("{{script}}", &asset_address("graphiql.js"))
        // Last, so that nothing inside a tab is taken for a placeholder. `<` could end the script element.
        .replace("{{settings}}", &settings.replace('<', "\\u003c"));
    let headers = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, Html(html)).into_response()
}

async fn asset(Path(name): Path<String>, Query(asked): Query<AssetVersion>, request: HeaderMap) -> Response {
    let Some(file) = Assets::get(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let version = version(&file);
    let etag = format!("\"{version}\"");
    // Only the address that names this very content may be kept for ever.
    let cache = if asked.v.as_deref() == Some(&version) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut headers = HeaderMap::new();
    set(&mut headers, header::CACHE_CONTROL, cache);
    set(&mut headers, header::ETAG, &etag);
    set(&mut headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if has_etag(&request, &etag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    set(&mut headers, header::CONTENT_TYPE, &content_type(file.metadata.mimetype()));
    (headers, file.data).into_response()
}

/// Relative to `/graphiql`, so that the page also works below a proxy's path prefix.
fn asset_address(name: &str) -> String {
    match Assets::get(name) {
        Some(file) => format!("graphiql/{name}?v={}", version(&file)),
        None => format!("graphiql/{name}"),
    }
}

fn version(file: &EmbeddedFile) -> String {
    format!("{:.16}", hex::encode(file.metadata.sha256_hash()))
}

fn content_type(mime: &str) -> String {
    if mime.starts_with("text/") { format!("{mime}; charset=utf-8") } else { mime.to_owned() }
}

fn has_etag(request: &HeaderMap, etag: &str) -> bool {
    request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(|candidate| candidate.trim().trim_start_matches("W/"))
        .any(|candidate| candidate == etag || candidate == "*")
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use axum::{body::Body, http::Request};
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn get_path(page: GraphiqlPage, path: &str, etag: Option<&str>) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::get(path);
        if let Some(etag) = etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let response = page.router::<()>().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, String::from_utf8_lossy(&body).into_owned())
    }

    fn settings_of(html: &str) -> serde_json::Value {
        let start = html.find(r#"id="settings">"#).unwrap() + r#"id="settings">"#.len();
        let end = start + html[start..].find("</script>").unwrap();
        serde_json::from_str(&html[start..end]).unwrap()
    }

    #[tokio::test]
    async fn tabs_reach_the_page_whatever_they_contain() {
        let tab = Tab::new("</script><b>", "query Hello { hello } # {{script}}")
            .variables(serde_json::json!({ "a": "<!--" }))
            .header("Authorization", "Bearer abc");
        let page = GraphiqlPage::new(vec![tab]).endpoint("/api").socket("/live");

        let (status, headers, html) = get_path(page, "/graphiql", None).await;

        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert!(headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("script-src 'self';"));
        let settings = settings_of(&html);
        assert_eq!(settings["endpoint"], "/api");
        assert_eq!(settings["socket"], "/live");
        assert_eq!(settings["tabs"][0]["title"], "</script><b>");
        assert_eq!(settings["tabs"][0]["query"], "query Hello { hello } # {{script}}");
        assert_eq!(settings["tabs"][0]["headers"]["Authorization"], "Bearer abc");
    }

    #[tokio::test]
    async fn the_page_names_no_other_host() {
        let (_, _, html) = get_path(GraphiqlPage::new(vec![]), "/graphiql", None).await;
        assert!(!html.contains("://"), "{html}");
    }

    #[tokio::test]
    async fn every_address_in_the_page_is_served_for_ever() {
        let (_, _, html) = get_path(GraphiqlPage::new(vec![]), "/graphiql", None).await;
        let addresses: Vec<_> = html.split('"').filter(|part| part.starts_with("graphiql/")).collect();
        assert_eq!(addresses.len(), 3);
        for address in addresses {
            let (status, headers, body) = get_path(GraphiqlPage::new(vec![]), &format!("/{address}"), None).await;
            assert_eq!(status, StatusCode::OK, "{address}");
            assert_eq!(headers[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
            assert!(!body.is_empty());
        }
    }

    #[tokio::test]
    async fn a_known_asset_is_not_sent_twice() {
        let (_, headers, _) = get_path(GraphiqlPage::new(vec![]), "/graphiql/graphiql.js", None).await;
        assert_eq!(headers[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        let etag = headers[header::ETAG].to_str().unwrap().to_owned();

        let (status, _, body) = get_path(GraphiqlPage::new(vec![]), "/graphiql/graphiql.js", Some(&etag)).await;
        assert_eq!(status, StatusCode::NOT_MODIFIED);
        assert!(body.is_empty());
    }

    #[tokio::test]
    async fn only_assets_are_served() {
        for path in ["/graphiql/nothing.js", "/graphiql/..%2Fpage.html", "/graphiql/%2Fetc%2Fpasswd"] {
            let (status, _, _) = get_path(GraphiqlPage::new(vec![]), path, None).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn a_tab_source_is_asked_at_each_load() {
        let calls = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let page = GraphiqlPage::with_tab_source({
            let calls = Arc::clone(&calls);
            move || {
                let call = calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                async move { vec![Tab::new(format!("load {call}"), "query A { a }")] }
            }
        });
        for expected in ["load 0", "load 1"] {
            let (_, _, html) = get_path(page.clone(), "/graphiql", None).await;
            assert_eq!(settings_of(&html)["tabs"][0]["title"], expected);
        }
    }
}
