//! The seed's nginx: its site at the place where the seed has it, with a certificate as certbot keeps one.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;

use crate::Old;
use crate::support::web::Site;
use crate::support::{Pack, machine, wait_for};

const SEED_NGINX: &str = include_str!("../../../odoopack-core/fixtures/seed-nginx.conf");
const DOMAIN: &str = "erp.insightpulseai.net";
/// Where the seed's compose file mounts it from, which is where the pack has its own.
const FILE: &str = "deploy/nginx/erp.insightpulseai.net.conf";

/// What the official image of nginx does; Debian's has a site of its own.
pub(crate) const NGINX: &str =
    "#!/bin/sh\nrm -f /etc/nginx/sites-enabled/default\nexec nginx -g 'daemon off;'\n";

/// Writes the site and its certificate; where people come.
pub(crate) fn write(pack: &Pack) -> Site {
    pack.write(FILE, SEED_NGINX);
    let authority = certbot(pack);
    // The probes believe whom the machine believes, which only this process sees.
    let store = "/etc/ssl/certs/ca-certificates.crt";
    let known = std::fs::read_to_string(store).unwrap();
    pack.write("store.pem", &(known + &authority));
    machine::must("mount", &["--bind", pack.path("store.pem").as_str(), store]);
    Site {
        port: 443,
        domain: DOMAIN.to_owned(),
        authority,
    }
}

/// Links into the archive, which nobody but root enters.
fn certbot(pack: &Pack) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "an authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![DOMAIN.to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &issuer).unwrap();
    std::fs::create_dir_all(pack.path(&format!("letsencrypt/live/{DOMAIN}"))).unwrap();
    for (name, text) in [
        ("fullchain", certificate.pem() + &authority),
        ("privkey", key.serialize_pem()),
    ] {
        let file = format!("archive/{DOMAIN}/{name}1.pem");
        pack.write(&format!("letsencrypt/{file}"), &text);
        let link = pack.path(&format!("letsencrypt/live/{DOMAIN}/{name}.pem"));
        std::os::unix::fs::symlink(format!("../../{file}"), link).unwrap();
        machine::must(
            "chmod",
            &["600", pack.path(&format!("letsencrypt/{file}")).as_str()],
        );
    }
    for directory in ["live", "archive"] {
        machine::must(
            "chmod",
            &["700", pack.path(&format!("letsencrypt/{directory}")).as_str()],
        );
    }
    authority
}

/// Through the seed's own nginx.
pub(crate) fn serves(old: &Old, site: &Site) {
    old.must(&["up", "--detach", "nginx"]);
    wait_for("the old nginx leads to Odoo", || {
        let page = site.try_get("/web/health").ok()?;
        (page.status == 200).then_some(())
    });
}

/// What the site says stays, or its change is said.
pub(crate) fn is_carried_over(pack: &Pack, told: &Value) {
    let text = pack.read("repo/odoopack.toml");
    let live = pack.path(&format!("letsencrypt/live/{DOMAIN}"));
    for words in [
        format!("domain = \"{DOMAIN}\""),
        format!("tls = {{ certificate = \"{live}/fullchain.pem\", key = \"{live}/privkey.pem\" }}"),
        "listen = [\"0.0.0.0\", \"[::]\"]".to_owned(),
        "nginx = \"acme/nginx:1.22\"".to_owned(),
    ] {
        assert!(text.contains(&words), "{words}: {text}");
    }
    for (list, words) in [
        ("kept", "`proxy_read_timeout` of nginx: 720s"),
        ("kept", "`proxy_send_timeout` of nginx: 720s"),
        ("kept", "port of nginx: 443 on every address"),
        ("changes", "is 5s: the gate takes a connection at once"),
        ("changes", "`client_max_body_size 100M`: uploads"),
        ("changes", "`location /longpolling`: the route does not exist"),
        ("changes", "no `Strict-Transport-Security`"),
        ("changes", "without `proxy_cache`"),
    ] {
        let shown = |row: &Value| {
            let more = row["is"].as_str().or(row["why"].as_str()).unwrap();
            format!("{}: {more}", row["what"].as_str().unwrap())
        };
        let rows: Vec<String> = told[list].as_array().unwrap().iter().map(shown).collect();
        assert!(rows.iter().any(|row| row.contains(words)), "{words}: {rows:#?}");
    }
}

/// The old files are put away as `adopt` says, so that the pack's own can take their place.
pub(crate) fn is_put_away(told: &Value) {
    let step = told["next"][2].as_str().unwrap();
    for command in step.split('`').skip(1).step_by(2) {
        assert!(command.starts_with("mv "), "{step}");
        machine::must("sh", &["-c", command]);
    }
}

/// The pack's nginx says what was kept, and the old file is as it was.
pub(crate) fn is_the_packs(pack: &Pack) {
    assert_eq!(pack.read(&format!("{FILE}.adopted")), SEED_NGINX);
    let configuration = pack.read("deploy/nginx/nginx.conf") + &pack.read(FILE);
    for words in [
        "proxy_read_timeout 720s;",
        "proxy_send_timeout 720s;",
        "client_max_body_size 128m;",
        "server_name erp.insightpulseai.net;",
        "/fullchain.pem",
    ] {
        assert!(configuration.contains(words), "{words}: {configuration}");
    }
}
