//! nginx's files as people mount them, and what is in them beside Odoo.
use camino::Utf8Path;

use super::{Case, SEED, SEED_NGINX, official, seed};
use crate::adopt::{Adoption, Holds, Project, Stack, Variables, Volumes, is_site};
use crate::spec::Tls;

const MOUNT: &str = "./deploy/nginx/erp.insightpulseai.net.conf:/etc/nginx/conf.d/default.conf";

/// Where files of nginx are looked for: files, and directories of files.
fn places(mount: &str) -> [Vec<String>; 2] {
    let compose = SEED.replace(MOUNT, mount);
    let project = Project::read(&compose, Variables::default(), Utf8Path::new("/srv"), None).unwrap();
    let stack = Stack::find(&project, None).unwrap();
    let all = stack.nginx_places(&Volumes::new());
    all.map(|all| all.into_iter().map(String::from).collect())
}

#[test]
fn every_usual_mount_of_nginx_is_looked_for() {
    let certificates = "/etc/letsencrypt:/etc/letsencrypt";
    for (mount, files, directories) in [
        (
            MOUNT,
            &["/srv/deploy/nginx/erp.insightpulseai.net.conf"][..],
            &[][..],
        ),
        ("./nginx/conf.d:/etc/nginx/conf.d", &[], &["/srv/nginx/conf.d"]),
        (
            "./nginx/conf.d:/etc/nginx/conf.d/:ro",
            &[],
            &["/srv/nginx/conf.d"],
        ),
        ("./nginx.conf:/etc/nginx/nginx.conf:ro", &["/srv/nginx.conf"], &[]),
        ("./t:/etc/nginx/templates", &[], &["/srv/t"]),
        (
            "./t/a:/etc/nginx/templates/default.conf.template",
            &["/srv/t/a"],
            &[],
        ),
        ("./odoo:/etc/nginx/sites-enabled/odoo", &["/srv/odoo"], &[]),
        (
            "./nginx:/etc/nginx",
            &["/srv/nginx/nginx.conf"],
            &[
                "/srv/nginx/conf.d",
                "/srv/nginx/templates",
                "/srv/nginx/sites-enabled",
            ],
        ),
        (certificates, &[], &[]),
        ("./htpasswd:/etc/nginx/.htpasswd", &[], &[]),
        ("./certs:/etc/nginx/certs", &[], &[]),
        ("./html:/usr/share/nginx/html", &[], &[]),
    ] {
        let wanted =
            [files, directories].map(|all| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
        assert_eq!(places(mount), wanted, "{mount}");
    }
    for (directory, name, read) in [
        ("conf.d", "a.conf", true),
        ("templates", "a.conf.template", true),
        ("sites-enabled", "odoo", true),
        ("conf.d", "a.conf.bak", false),
        ("conf.d", ".a.conf", false),
        ("sites-enabled", ".odoo", false),
    ] {
        assert_eq!(
            is_site(Utf8Path::new("/x").join(directory).as_path(), name),
            read,
            "{directory}/{name}"
        );
    }
}

fn left(adoption: &Adoption) -> Vec<&str> {
    adoption.left.iter().map(|(what, _)| what.as_str()).collect()
}

/// A whole `nginx.conf`, and a site of somebody else that is read before Odoo's.
#[test]
fn the_server_that_leads_to_odoo_says_name_and_certificate() {
    let whole = format!("events {{}}\nhttp {{\n{SEED_NGINX}\n}}\n");
    let blog = "server { listen 443 ssl; server_name blog.example.com; ssl_certificate /etc/ssl/blog.pem; ssl_certificate_key /etc/ssl/blog.key; location / { proxy_pass http://blog:80; } }";
    let variable = SEED_NGINX.replace(
        "proxy_pass http://odoo;",
        "set $up odoo; set $upstream http://odoo:8069; proxy_pass $upstream;",
    );
    for files in [
        &[SEED_NGINX][..],
        &[&whole],
        &[blog, SEED_NGINX],
        &[blog, &whole],
        &[blog, &variable],
    ] {
        let (adoption, spec) = Case {
            nginx: files,
            ..seed()
        }
        .spec();
        let production = spec.environments.values().next().unwrap();
        assert_eq!(production.domain, "erp.insightpulseai.net");
        assert!(
            matches!(&production.tls, Tls::Files { certificate, .. } if certificate.as_str().contains("erp.insightpulseai.net"))
        );
        let elsewhere = "location / of nginx (0.conf:1), which leads to blog:80";
        assert_eq!(left(&adoption).contains(&elsewhere), files[0] == blog);
        assert_eq!(
            left(&adoption).contains(&"host name blog.example.com"),
            files[0] == blog
        );
    }
}

#[test]
fn where_no_site_or_no_certificate_was_read_that_is_said() {
    let domain = Some("erp.example.com");
    let (adoption, _) = Case {
        nginx: &[],
        domain,
        ..seed()
    }
    .spec();
    let said = adoption
        .left
        .iter()
        .find(|(what, _)| what == "nginx's configuration, with its certificate");
    assert!(said.unwrap().1.contains("`--nginx FILE`"), "{said:?}");
    let included = SEED_NGINX.replace("    ssl_certificate", "    # ssl_certificate");
    assert_ne!(included, SEED_NGINX);
    for (text, what) in [
        (included.as_str(), "certificate of nginx"),
        (
            "include conf.d/*.conf;",
            "nginx's configuration, with its certificate",
        ),
        ("server {", "nginx's configuration in 0.conf"),
    ] {
        let (adoption, spec) = Case {
            nginx: &[text],
            domain,
            ..seed()
        }
        .spec();
        assert!(left(&adoption).contains(&what), "{what}: {:#?}", adoption.left);
        assert!(!matches!(
            spec.environments.values().next().unwrap().tls,
            Tls::Files { .. }
        ));
    }
    let plain =
        "server { listen 80; server_name erp.example.com; location / { proxy_pass http://odoo:8069; } }";
    let (adoption, _) = Case {
        nginx: &[plain],
        domain,
        ..seed()
    }
    .spec();
    assert!(
        !left(&adoption).iter().any(|what| what.contains("certificate")),
        "{:#?}",
        adoption.left
    );
}

#[test]
fn what_keeps_people_out_and_what_leads_elsewhere_is_named() {
    for (line, what) in [
        (
            "allow 10.0.0.0/8;",
            Some("`allow 10.0.0.0/8` of nginx (0.conf:10)"),
        ),
        ("deny all;", Some("`deny all` of nginx (0.conf:10)")),
        (
            "auth_basic 'Only us';",
            Some("`auth_basic Only us` of nginx (0.conf:10)"),
        ),
        ("auth_basic off;", None),
        (
            "auth_request /auth;",
            Some("`auth_request /auth` of nginx (0.conf:10)"),
        ),
        (
            "ssl_verify_client on;",
            Some("`ssl_verify_client on` of nginx (0.conf:10)"),
        ),
        (
            "location /more { deny all; }",
            Some("`deny all` of nginx (0.conf:10)"),
        ),
        (
            "location /shop { proxy_pass http://shop:3000/x; }",
            Some("location /shop of nginx (0.conf:10), which leads to shop:3000"),
        ),
        (
            "location /mail { proxy_pass http://mailhog:8069; }",
            Some("location /mail of nginx (0.conf:10), which leads to mailhog:8069"),
        ),
        (
            "location ~ [.]php$ { fastcgi_pass php:9000; }",
            Some("location ~ [.]php$ of nginx (0.conf:10), which leads to php:9000"),
        ),
        (
            "location /x { proxy_pass $nowhere; }",
            Some("location /x of nginx (0.conf:10), which leads to $nowhere"),
        ),
        ("location /ws { proxy_pass http://odoo:8072; }", None),
        ("location /ws { proxy_pass http://172.17.0.1:8069/; }", None),
    ] {
        let compose = SEED.replace(
            "volumes:\n  pgdata",
            "  mailhog: {image: mailhog/mailhog}\nvolumes:\n  pgdata",
        );
        let nginx = SEED_NGINX.replacen("    listen 80;", &format!("    {line} listen 80;"), 1);
        assert!(nginx != SEED_NGINX && compose != SEED);
        let (adoption, _) = Case {
            compose: &compose,
            nginx: &[&nginx],
            ..seed()
        }
        .spec();
        let found: Vec<&str> = left(&adoption)
            .into_iter()
            .filter(|what| what.contains(" of nginx ("))
            .collect();
        assert_eq!(found, what.into_iter().collect::<Vec<_>>(), "{line}");
    }
}

#[test]
fn a_certificate_of_an_nginx_that_is_no_service_is_the_hosts() {
    let mut holds = official().holds.to_vec();
    holds.extend([("/etc/ssl/a.pem", Holds::File), ("/etc/ssl/a.key", Holds::File)]);
    let site = "server { listen 443 ssl; server_name erp.example.com; ssl_certificate /etc/ssl/a.pem; ssl_certificate_key /etc/ssl/a.key; location / { proxy_pass http://127.0.0.1:8069; } }";
    let case = Case {
        nginx: &[site],
        holds: &holds,
        domain: None,
        ..official()
    };
    let (_, spec) = case.spec();
    let production = spec.environments.values().next().unwrap();
    assert!(matches!(&production.tls, Tls::Files { certificate, .. } if certificate == "/etc/ssl/a.pem"));
}
