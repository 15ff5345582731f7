//! Users and groups: `/etc/passwd` and `/etc/group` for reading, `useradd` and `gpasswd` for changes.
use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::UserFact;

use crate::exec::Cmd;

/// The accounts of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accounts {
    users: BTreeMap<String, (u32, u32, Utf8PathBuf)>,
    groups: BTreeMap<String, (u32, BTreeSet<String>)>,
}

impl Accounts {
    /// Reads the texts of `/etc/passwd` and `/etc/group` (`passwd(5)`, `group(5)`).
    pub(crate) fn parse(passwd: &str, group: &str) -> Self {
        let user = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            let home = Utf8PathBuf::from(*fields.get(5)?);
            Some((
                (*fields.first()?).to_owned(),
                (fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?, home),
            ))
        };
        let group_line = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            let members = fields
                .get(3)?
                .split(',')
                .filter(|m| !m.is_empty())
                .map(str::to_owned)
                .collect();
            Some((
                fields.first()?.to_string(),
                (fields.get(2)?.parse().ok()?, members),
            ))
        };
        Self {
            users: passwd.lines().filter_map(user).collect(),
            groups: group.lines().filter_map(group_line).collect(),
        }
    }

    /// Users whose home lies below a directory.
    pub(crate) fn living_below<'a>(&'a self, directory: &'a Utf8Path) -> impl Iterator<Item = &'a str> {
        let below = self
            .users
            .iter()
            .filter(move |(_, (_, _, home))| home.starts_with(directory));
        below.map(|(name, _)| name.as_str())
    }

    /// Whether both numbers have a name.
    pub(crate) fn knows(&self, (user, group): (u32, u32)) -> bool {
        self.users.values().any(|(id, ..)| *id == user) && self.groups.values().any(|(id, _)| *id == group)
    }

    /// The same with one more user and its group.
    pub(crate) fn with_own(
        mut self,
        (user, group): (&str, &str),
        (uid, gid): (u32, u32),
        home: Option<Utf8PathBuf>,
    ) -> Self {
        self.users
            .insert(user.to_owned(), (uid, gid, home.unwrap_or_else(|| "/".into())));
        self.groups
            .entry(group.to_owned())
            .or_insert((gid, BTreeSet::new()));
        self
    }

    /// User and primary group by number.
    pub(crate) fn user(&self, name: &str) -> Option<(u32, u32)> {
        self.users.get(name).map(|(uid, gid, _)| (*uid, *gid))
    }

    /// Home of a user, of half an account too.
    pub(crate) fn home_of(&self, name: &str) -> Option<&Utf8Path> {
        self.users.get(name).map(|(_, _, home)| home.as_path())
    }

    /// Group by number.
    pub(crate) fn group(&self, name: &str) -> Option<u32> {
        self.groups.get(name).map(|(gid, _)| *gid)
    }

    /// Users whom a group lists; none where there is no such group.
    pub(crate) fn members_of(&self, group: &str) -> BTreeSet<String> {
        let members = self.groups.get(group);
        members.map(|(_, members)| members.clone()).unwrap_or_default()
    }

    /// Home and groups of a user that exists.
    ///
    /// # Shape
    /// `None` also for half an account, without the group of the same name: it must be completed.
    pub(crate) fn user_fact(&self, name: &str) -> Option<UserFact> {
        self.group(name)?;
        let (uid, gid, home) = self.users.get(name)?;
        Some(UserFact {
            uid: *uid,
            gid: *gid,
            home: home.clone(),
            groups: self.groups_of(name),
        })
    }

    /// Supplementary groups of a user.
    pub(crate) fn groups_of(&self, user: &str) -> BTreeSet<String> {
        let named = self
            .groups
            .iter()
            .filter(|(_, (_, members))| members.contains(user));
        named.map(|(name, _)| name.clone()).collect()
    }

    /// Name of a user, or its number.
    pub(crate) fn user_name(&self, uid: u32) -> String {
        let named = self.users.iter().find(|(_, (id, _, _))| *id == uid);
        named.map_or_else(|| uid.to_string(), |(name, _)| name.clone())
    }

    /// Name of a group, or its number.
    pub(crate) fn group_name(&self, gid: u32) -> String {
        let named = self.groups.iter().find(|(_, (id, _))| *id == gid);
        named.map_or_else(|| gid.to_string(), |(name, _)| name.clone())
    }
}

/// Prints the name of whoever runs this program, as every source of names of the system knows it (`id(1)`).
pub(crate) fn own_user() -> Cmd {
    Cmd::new("id").arg("-un")
}

/// Prints the name of the own group.
pub(crate) fn own_group() -> Cmd {
    Cmd::new("id").arg("-gn")
}

// Each of these finishes when we are ended: cut off, it would leave locks below /etc and half an account.

/// Creates a system user that cannot log in, with a group of the same name, which may be there already.
pub(crate) fn create(name: &str, home: &Utf8Path, group_is_there: bool) -> Cmd {
    let group: &[&str] = if group_is_there {
        &["--gid", name]
    } else {
        &["--user-group"]
    };
    Cmd::new("useradd")
        .arg("--system")
        .args(group.iter().copied())
        .args(["--no-create-home", "--shell", "/usr/sbin/nologin", "--home-dir"])
        .args([home.as_str(), name])
        .outlives()
}

/// Creates the group of a user that has none.
pub(crate) fn create_group(name: &str) -> Cmd {
    Cmd::new("groupadd").args(["--system", name]).outlives()
}

/// Makes the group of the same name the user's own.
pub(crate) fn set_group(user: &str) -> Cmd {
    Cmd::new("usermod").args(["--gid", user, user]).outlives()
}

/// Adds a user to a group.
pub(crate) fn join(user: &str, group: &str) -> Cmd {
    Cmd::new("gpasswd").args(["--add", user, group]).outlives()
}

/// How [`remove`] ends while a process of the user is there (userdel(8), shadow 4.13).
pub(crate) const BUSY: i32 = 8;

/// Removes a user, and its group where that is its primary one.
pub(crate) fn remove(name: &str) -> Cmd {
    Cmd::new("userdel").arg(name).outlives()
}

/// Removes a group that no user has as its primary one.
pub(crate) fn remove_group(name: &str) -> Cmd {
    Cmd::new("groupdel").arg(name).outlives()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_lives_below_a_directory_is_found_by_no_list() {
        let all = Accounts::parse(
            "root:x:0:0::/root:/bin/sh\nodoo-a-gone:x:998:998::/opt/a/data/environments/gone:/x\nodoo-a-b:x:997:997::/opt/ab/data:/x\n",
            "",
        );
        let found: Vec<&str> = all.living_below("/opt/a".into()).collect();
        assert_eq!(found, ["odoo-a-gone"]);
    }

    #[test]
    fn reads_users_groups_and_members() {
        let accounts = Accounts::parse(
            "root:x:0:0:root:/root:/bin/bash\nodoo-demo-nginx:x:997:995::/x:/usr/sbin/nologin\n",
            "root:x:0:\nodoo-demo-production:x:996:odoo-demo-nginx,other\n",
        );
        assert_eq!(accounts.user("odoo-demo-nginx"), Some((997, 995)));
        assert_eq!(
            accounts.groups_of("odoo-demo-nginx"),
            BTreeSet::from(["odoo-demo-production".to_owned()])
        );
        assert_eq!(
            (accounts.user_name(0), accounts.group_name(12)),
            ("root".to_owned(), "12".to_owned())
        );
    }

    #[test]
    fn somebody_whom_only_a_directory_service_knows_is_added() {
        let accounts = Accounts::parse("root:x:0:0::/root:/bin/sh\n", "root:x:0:\n");
        assert!(accounts.knows((0, 0)) && !accounts.knows((70_001, 70_000)));
        let accounts = accounts.with_own(("maria", "staff"), (70_001, 70_000), None);
        assert!(accounts.knows((70_001, 70_000)));
        assert_eq!(
            (accounts.user_name(70_001), accounts.group_name(70_000)),
            ("maria".to_owned(), "staff".to_owned())
        );
    }

    #[test]
    fn a_new_user_cannot_log_in() {
        let shown = create("odoo-demo-gate", "/opt/x".into(), false).to_string();
        assert_eq!(
            shown,
            "useradd --system --user-group --no-create-home --shell /usr/sbin/nologin --home-dir /opt/x odoo-demo-gate"
        );
        let shown = create("odoo-demo-gate", "/opt/x".into(), true).to_string();
        assert!(
            shown.contains("--system --gid odoo-demo-gate --no-create-home"),
            "{shown}"
        );
    }
}
