//! Development in containers: changes that are taken in at once, and mail that nobody gets.
use crate::RELAY;
use crate::support::probe::{write_controller, write_view};
use crate::support::stack::{docker, id, must};
use crate::support::{Pack, compiled, editions, machine, wait_for};

/// Sends a mail where nobody listens, and then where somebody does.
const MAIL: &str = r"
import email.message, email.policy, socketserver, threading

told = []

class Catcher(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b'220 here\r\n')
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b'DATA':
                self.wfile.write(b'354 go on\r\n')
                while (line := self.rfile.readline()) not in (b'.\r\n', b''):
                    told.append(line)
            self.wfile.write(b'221 bye\r\n' if word == b'QUIT' else b'250 fine\r\n')

def send():
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message['From'], message['To'], message['Subject'] = 'us@example.com', 'them@example.org', 'Canary'
    message.set_content('from development')
    env['ir.mail_server'].send_email(message)

try:
    send()
    print('mail went away')
except Exception as e:
    print('mail stays:', type(e).__name__)
socketserver.TCPServer.allow_reuse_address = True
server = socketserver.TCPServer(('127.0.0.1', 1025), Catcher)
threading.Thread(target=server.serve_forever, daemon=True).start()
send()
print('caught here:', b'Subject: Canary' in b''.join(told))
";

/// It goes to the container's own loopback, whoever it is for.
pub(crate) fn keeps_its_mail_here(pack: &Pack) {
    pack.now("development: a mail goes nowhere but to a catcher");
    let answer = pack.run_with(&["shell", "dev"], MAIL).exits(0);
    let said = &answer.stdout;
    assert!(
        said.contains("mail stays:")
            && !said.contains("mail went away")
            && said.contains("caught here: True"),
        "{}",
        answer.said()
    );
}

/// Odoo takes changes in by itself: Docker has never started its container again.
fn has_never_ended(container: &str) {
    let restarts = must(&["inspect", "--format", "{{.RestartCount}}", container]);
    let logs = || docker(&["logs", "--tail", "200", container]).said();
    assert_eq!(restarts, "0", "{}", logs());
}

pub(crate) fn takes_changes_in(pack: &Pack) {
    pack.now("development: its own port on loopback, and changes that are taken in at once");
    let marked = editions::site(pack, "dev").get("/probe").is(200);
    assert!(marked.text().contains("odoopack-ribbon"), "{}", marked.text());
    assert_eq!(marked.header("x-robots-tag"), "noindex");
    let real = pack.site().get("/web/login").is(200);
    assert!(!real.text().contains("odoopack-ribbon") && real.header("x-robots-tag").is_empty());
    for (environment, relay) in [("production", RELAY), ("dev", "127.0.0.1")] {
        let conf = pack.read(&format!("config/{environment}.conf"));
        let line = format!("smtp_server = {relay}");
        assert!(conf.lines().any(|one| one == line), "{environment}: {conf}");
    }
    let page = || machine::must("curl", &["-s", "http://127.0.0.1:8072/probe"]);
    let first = page();
    assert!(first.contains("python says one, the view says first"), "{first}");
    let before = id("dev.blue.web");
    has_never_ended(&before);
    let module = pack.path("repo/addons/own/dev_probe");
    let made = compiled::times(&module);
    assert_eq!(made.len(), 3, "{made:?}");
    write_view(pack, "second");
    wait_for("the view is taken in", || {
        page().contains("the view says second").then_some(())
    });
    write_controller(pack, "two");
    wait_for("Python is taken in", || {
        page().contains("python says two").then_some(())
    });
    assert_eq!(id("dev.blue.web"), before);
    has_never_ended(&before);
    // Nobody but `up` writes what is compiled, and what was compiled before is not used for another source.
    assert_eq!(compiled::times(&module), made);
    compiled::is_used(&id("dev.blue.web"), &module.join("__init__.py"));
    assert!(!compiled::matches(
        &id("dev.blue.web"),
        &module.join("controllers.py")
    ));
}
