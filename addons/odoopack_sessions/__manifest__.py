# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "Sessions in Redis or a database (odoopack)",
    "summary": "Server-wide: keeps sessions in Redis or a database instead of files",
    "version": "1.0.0",
    "category": "Hidden",
    "author": "odoopack",
    "license": "LGPL-3",
    "depends": ["web"],
    "external_dependencies": {"python": ["redis"]},
    # Loaded by the server, never installed into a database.
    "installable": False,
}
