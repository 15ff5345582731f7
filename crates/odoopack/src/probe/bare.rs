//! A visitor of an Odoo that nobody else can reach: plain HTTP on loopback, no nginx, no certificate.
use std::time::Duration;

use serde_json::{Value, json};

/// Longest wait for one answer; the first page builds its bundles.
const PATIENCE: Duration = Duration::from_mins(2);
/// Redirects that are followed, the session with them.
const REDIRECTS: usize = 4;
/// Files of a page that are asked for, at most.
const FILES: usize = 60;

/// The visitor.
#[derive(Debug)]
pub(crate) struct Client {
    agent: ureq::Agent,
    base: String,
}

struct Page {
    status: u16,
    cookie: Option<String>,
    location: Option<String>,
    body: Vec<u8>,
}

impl Client {
    /// Visits this port of loopback.
    pub(crate) fn new(port: u16) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .build();
        Self {
            agent: config.into(),
            base: format!("http://127.0.0.1:{port}"),
        }
    }

    /// Whether Odoo answers, and the database server, where this version of Odoo looks (odoo/odoo#182537); the visit
    /// itself needs the database.
    pub(crate) fn is_healthy(&self) -> bool {
        self.get("/web/health?db_server_status=1", None)
            .is_ok_and(|page| page.status == 200)
    }

    fn get(&self, path: &str, session: Option<&str>) -> Result<Page, String> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if let Some(session) = session {
            request = request.header("Cookie", format!("session_id={session}"));
        }
        page(request.call(), path)
    }

    fn sign_in(&self, database: &str, login: &str, password: &str) -> Result<String, String> {
        let path = "/web/session/authenticate";
        let call = json!({ "jsonrpc": "2.0", "method": "call",
            "params": { "db": database, "login": login, "password": password } });
        let request = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("Content-Type", "application/json");
        let page = page(request.send(call.to_string()), path)?;
        let answer: Value = serde_json::from_slice(&page.body).unwrap_or_default();
        let signed_in = answer.pointer("/result/uid").is_some_and(Value::is_u64);
        if let Some(session) = page.cookie.filter(|_| signed_in) {
            return Ok(session);
        }
        let why = answer.pointer("/error/data/message").and_then(Value::as_str);
        Err(format!(
            "could not sign in as `{login}`: {}",
            why.unwrap_or("no session came")
        ))
    }
}

fn page(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>, path: &str) -> Result<Page, String> {
    let mut answer = answer.map_err(|e| format!("no answer from `{path}`: {e}"))?;
    let cookie = answer
        .headers()
        .get_all("set-cookie")
        .iter()
        .filter_map(|value| {
            value
                .to_str()
                .ok()?
                .strip_prefix("session_id=")?
                .split(';')
                .next()
        })
        .next_back()
        .map(str::to_owned);
    let location = answer
        .headers()
        .get("location")
        .and_then(|value| value.to_str().ok());
    let location = location.map(str::to_owned);
    let status = answer.status().as_u16();
    let body = answer
        .body_mut()
        .with_config()
        .limit(64 << 20)
        .read_to_vec()
        .map_err(|e| format!("`{path}` broke off: {e}"))?;
    Ok(Page {
        status,
        cookie,
        location,
        body,
    })
}

/// Signs in and asks for the web client with every file that its page names.
///
/// # Errors
/// What did not come, in one sentence.
pub(crate) fn visit(client: &Client, database: &str, login: &str, password: &str) -> Result<(), String> {
    let session = client.sign_in(database, login, password)?;
    // `/odoo` since 18.0, `/web` before and still.
    let mut home = client.get("/web", Some(&session))?;
    for _ in 0..REDIRECTS {
        let Some(to) = home.location.take().filter(|_| (300..400).contains(&home.status)) else {
            break;
        };
        let path = to.strip_prefix(&client.base).unwrap_or(&to).to_owned();
        home = client.get(&path, Some(&session))?;
    }
    let text = String::from_utf8_lossy(&home.body).into_owned();
    if home.status != 200 || !text.contains("odoo.__session_info__") && !text.contains("session_info") {
        return Err(format!(
            "the web client did not come: {} with {} bytes",
            home.status,
            home.body.len()
        ));
    }
    let files = named(&text);
    if files.is_empty() {
        return Err("the web client names no file".to_owned());
    }
    for path in files.iter().take(FILES) {
        let file = client.get(path, Some(&session))?;
        if file.status != 200 || file.body.is_empty() {
            return Err(format!(
                "`{path}` did not come: {} with {} bytes",
                file.status,
                file.body.len()
            ));
        }
    }
    Ok(())
}

/// Scripts and styles of a page that are on the same host.
fn named(text: &str) -> Vec<String> {
    let mut all: Vec<String> = ["src=\"/web/", "href=\"/web/"]
        .iter()
        .flat_map(|start| text.split(start).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .map(|path| format!("/web/{}", path.replace("&amp;", "&")))
        .filter(|path| path.contains("/assets/") || path.contains("/static/"))
        .collect();
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn scripts_and_styles_of_the_page_are_found_once() {
        let page = "<link href=\"/web/assets/1/a.css\"/><script src=\"/web/assets/1/a.js\"></script>\
            <a href=\"/web/login\">x</a><link href=\"/web/assets/1/a.css\"/><img src=\"https://e.org/x.png\"/>";
        assert_eq!(named(page), ["/web/assets/1/a.css", "/web/assets/1/a.js"]);
    }
}
