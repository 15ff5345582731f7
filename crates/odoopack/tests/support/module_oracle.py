"""Run by Odoo's own shell: what Odoo 19.0 itself would install for many wishes, and in which order it would load that.

Nothing is kept: everything happens in a transaction that is rolled back.
"""

import json

import odoo.modules.db
from odoo.exceptions import UserError
from odoo.modules.module_graph import ModuleGraph

cr = env.cr
Module = type(env["ir.module.module"])
# Whether Python packages are there is no question of the graph.
Module.check_external_dependencies = lambda self, name, newstate="to install": None


def marked():
    cr.execute("SELECT name FROM ir_module_module WHERE state = 'to install' ORDER BY name")
    return [name for (name,) in cr.fetchall()]


def beside_base():
    """What `initialize` marks in an empty schema."""
    cr.execute("SAVEPOINT empty")
    cr.execute("CREATE SCHEMA oracle")
    cr.execute("SET LOCAL search_path TO oracle, public")
    odoo.modules.db.initialize(cr)
    names = marked()
    cr.execute("ROLLBACK TO SAVEPOINT empty")
    return names


def install(wanted, country, first):
    """What `-i` marks in a database where only `base` is loaded, and the order of the update graph."""
    cr.execute("SAVEPOINT wish")
    env.invalidate_all()
    cr.execute("UPDATE ir_module_module SET state = 'uninstalled' WHERE state NOT IN ('uninstallable')")
    cr.execute("UPDATE ir_module_module SET state = 'to install' WHERE name = ANY(%s)", [first])
    cr.execute("UPDATE ir_module_module SET state = 'installed' WHERE name = 'base'")
    cr.execute("UPDATE res_partner SET country_id = (SELECT id FROM res_country WHERE code = %s)", [country])
    env.invalidate_all()
    records = env["ir.module.module"].search([("state", "=", "uninstalled"), ("name", "in", wanted)])
    conflict = None
    try:
        if records:
            records.button_install()
    except UserError as error:
        conflict = str(error)
    env.flush_all()
    names = marked() + ["base"]
    graph = ModuleGraph(cr, mode="update")
    graph.extend(["base"])
    graph.extend(names)
    order = [node.name for node in graph]
    cr.execute("ROLLBACK TO SAVEPOINT wish")
    env.invalidate_all()
    return {"wanted": wanted, "country": country, "names": names, "order": order, "conflict": conflict}


cr.execute("SELECT name FROM ir_module_module WHERE state != 'uninstallable' ORDER BY name")
every = [name for (name,) in cr.fetchall()]
first = beside_base()
wishes = [(every, None), (every, "BE"), ([], None)] + [([name], None) for name in every[::EVERY]]
wishes += [(["account"], "BE"), (["sale", "purchase", "stock", "account"], "FR")]
cr.execute("SELECT module FROM ir_model_data GROUP BY module ORDER BY min(id)")
loaded = [name for (name,) in cr.fetchall()]
cr.execute("SELECT name FROM ir_module_module WHERE state = 'installed' ORDER BY name")
installed = [name for (name,) in cr.fetchall()]
found = {
    "first": first,
    "every": every,
    "wishes": [install(wanted, country, first) for wanted, country in wishes],
    "loaded": loaded,
    "installed": installed,
}
cr.rollback()
print("ORACLE" + json.dumps(found))
