//! Who administers a database of Odoo: people give the user that it was made with another login, archive it, or remove it.

/// Number, login and whether it is active, of the user that Odoo was made with (`base.user_admin`), whatever its login is today.
///
/// # Source
/// `base/data/res_users_data.xml`, 17.0 to 19.0; its record names it by number.
pub const FIRST: &str = "SELECT u.id, u.login, coalesce(u.active, false) FROM res_users u \
     JOIN ir_model_data d ON d.res_id = u.id AND d.model = 'res.users' AND d.module = 'base' AND d.name = 'user_admin'";

/// The same of another user who is active and in the group of administrators (`base.group_system`), the oldest first.
///
/// # Source
/// The table of the groups that a user was given is `res_groups_users_rel`, 17.0 to 19.0; user 1 is Odoo itself.
pub const ANOTHER: &str = "SELECT u.id, u.login, true FROM res_users u WHERE u.active AND u.id <> 1 AND u.login IS NOT NULL \
     AND u.id IN (SELECT r.uid FROM res_groups_users_rel r JOIN ir_model_data d ON d.res_id = r.gid AND d.model = 'res.groups' \
                  AND d.module = 'base' AND d.name = 'group_system') ORDER BY u.id LIMIT 1";

/// Takes away what makes Odoo send a code by mail to everybody who signs in without a second factor: a copy sends no mail.
///
/// # Source
/// `auth_totp` and `auth_totp_mail`, `_mfa_type`, 17.0 to 19.0.
pub const NO_POLICY: &str = "DELETE FROM ir_config_parameter WHERE key = 'auth_totp.policy'";
