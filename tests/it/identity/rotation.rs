//! Keys of tokens are exchanged node by node, and nobody is logged out.

use std::collections::HashMap;

use horae::config::Config;
use serde_json::{Value, json};

use crate::support::app::{Client, PASSWORD, SECRET, TestApp};

const NEW: &str = "2026-11:a new secret with enough characters";

const VIEWER: &str = "{ viewer { actor { displayName } } }";
const LOGIN: &str = "mutation($password: String!) {
    login(email: \"admin@alfa.test\", password: $password, tenantSlug: \"alfa\") { tokens { accessToken refreshToken } }
}";
const REFRESH: &str = "mutation($token: String!) {
    refreshSession(refreshToken: $token) { tokens { accessToken refreshToken } userErrors { code } }
}";

async fn node(first: &TestApp, keys: &str) -> TestApp {
    TestApp::with_clock(&first.database_url, &[("HORAE_TOKEN_KEYS", keys)], first.clock.clone()).await
}

async fn knows(node: &TestApp, token: &Value) -> bool {
    let client = Client { token: token.as_str().map(str::to_owned), ..node.anonymous() };
    client.send(VIEWER, json!({})).await["data"]["viewer"].is_object()
}

#[tokio::test]
async fn rotating_the_key_step_by_step_logs_nobody_out() {
    let before = TestApp::start().await;
    let tokens = before.anonymous().ok(LOGIN, json!({"password": PASSWORD})).await["login"]["tokens"].clone();
    let old = &tokens["accessToken"];

    // Every node learns the new key, and goes on signing with the old one.
    let adding = node(&before, &format!("derived,{NEW}")).await;
    assert!(knows(&adding, old).await);
    let signed_old = adding.anonymous().ok(LOGIN, json!({"password": PASSWORD})).await["login"]["tokens"].clone();
    assert!(knows(&before, &signed_old["accessToken"]).await, "a node that has not been restarted yet goes on");

    // Then every node signs with the new one, and still knows the old one.
    let swapped = node(&before, &format!("{NEW},derived")).await;
    assert!(knows(&swapped, old).await);
    let signed_new = swapped.anonymous().ok(LOGIN, json!({"password": PASSWORD})).await["login"]["tokens"].clone();
    assert!(knows(&adding, &signed_new["accessToken"]).await);

    // When the last old token has expired, the old key goes. Who refreshes late is still logged in.
    let after = node(&before, NEW).await;
    assert!(!knows(&after, old).await);
    assert!(knows(&after, &signed_new["accessToken"]).await);
    let refreshed = after.anonymous().ok(REFRESH, json!({"token": tokens["refreshToken"]})).await;
    assert_eq!(refreshed["refreshSession"]["userErrors"], json!([]));
    assert!(knows(&after, &refreshed["refreshSession"]["tokens"]["accessToken"]).await);
    assert!(!knows(&before, &refreshed["refreshSession"]["tokens"]["accessToken"]).await, "it is the new key's");
}

#[test]
fn keys_that_cannot_be_used_stop_the_start_by_name_and_tell_no_secret() {
    for keys in ["new:too short", "no secret", "a:0123456789abcdef0123456789abcdef,a:fedcba9876543210fedcba9876543210"]
    {
        let settings = HashMap::from([("HORAE_SECRET", SECRET), ("HORAE_TOKEN_KEYS", keys)]);
        let config = Config::from_lookup(|name| settings.get(name).map(|value| (*value).to_owned())).unwrap();
        let told = config.token_keys().unwrap_err().to_string();
        assert!(told.starts_with("HORAE_TOKEN_KEYS: "), "{told}");
        assert!(!told.contains("too short") && !told.contains("0123456789"), "{told}");
        assert!(!format!("{config:?}").contains("0123456789"), "a setting is printed");
    }
}
