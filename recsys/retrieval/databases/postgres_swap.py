"""A new table of PostgreSQL in the place of an old one, with what people gave the old one: rights, indexes, views."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from recsys.digest import short_digest
from recsys.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Cursor
    from psycopg.sql import Composable

_GRANTEE = "CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END"
_OPTION = "CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END"
_GRANTS = f"""
SELECT privilege_type, '', {_GRANTEE}, {_OPTION} FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = %(table)s
UNION ALL
SELECT privilege_type, format('(%%I)', attname), {_GRANTEE}, {_OPTION}
FROM pg_attribute, aclexplode(attacl) WHERE attrelid = %(table)s AND NOT attisdropped
"""
_INDEXES = """
SELECT relname, CASE WHEN indisunique THEN 'UNIQUE INDEX' ELSE 'INDEX' END, pg_get_indexdef(indexrelid)
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE indrelid = %(table)s AND NOT indisprimary AND indisvalid ORDER BY relname
"""
_KEY = """
SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE indrelid = %(table)s AND indisprimary
"""
_FREE = "(NOT attnotnull OR atthasdef OR attidentity <> '')"
"""Whether rows need not give a column: those of lists they must, so that people made it or gave it its default."""
_KINDS = ("bigint", "real", "boolean", "text")
"""Types of the columns of lists."""
_GIVEN = f"""({_FREE} OR format_type(atttypid, atttypmod) NOT IN {_KINDS} OR attoptions IS NOT NULL
    OR coalesce(attstattarget, -1) <> -1 OR col_description(attrelid, attnum) IS NOT NULL
    OR attcollation <> (SELECT typcollation FROM pg_type WHERE pg_type.oid = atttypid)
    OR attnum > 2 AND attname NOT IN ('rank', 'score', 'fallback', 'reason'))"""
"""Whether people made or changed a column; the names of the first two, of ids, are options of lists."""
_COLUMNS = f"""
SELECT attname, format_type(atttypid, atttypmod), {_FREE}, format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = %(table)s AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""
_DEPENDENTS = f"""
SELECT DISTINCT CASE WHEN classid = 'pg_rewrite'::regclass
    THEN (SELECT 'view ' || ev_class::regclass FROM pg_rewrite WHERE pg_rewrite.oid = objid)
    ELSE pg_describe_object(classid, objid, objsubid) END
FROM pg_depend WHERE refclassid = 'pg_class'::regclass AND refobjid = %(table)s AND (deptype = 'n'
    OR classid IN ('pg_policy'::regclass, 'pg_publication_rel'::regclass, 'pg_trigger'::regclass))
UNION SELECT pg_describe_object(classid, objid, objsubid) FROM pg_depend JOIN pg_type
    ON refobjid IN (pg_type.oid, typarray) WHERE refclassid = 'pg_type'::regclass AND typrelid = %(table)s
    AND deptype = 'n'
UNION SELECT 'table ' || inhparent::regclass FROM pg_inherits WHERE inhrelid = %(table)s
UNION SELECT 'row level security' FROM pg_class WHERE oid = %(table)s AND relrowsecurity
UNION SELECT 'column ' || quote_ident(attname) FROM pg_attribute WHERE attrelid = %(table)s AND attnum > 0
    AND NOT attisdropped AND {_GIVEN}
UNION SELECT pg_describe_object('pg_constraint'::regclass, oid, 0) FROM pg_constraint
    WHERE conrelid = %(table)s AND contype IN ('c', 'f', 'u', 'x')
UNION SELECT 'statistics ' || quote_ident(stxname) FROM pg_statistic_ext WHERE stxrelid = %(table)s
UNION SELECT 'index ' || indexrelid::regclass FROM pg_index WHERE indrelid = %(table)s
    AND (indisclustered OR obj_description(indexrelid, 'pg_class') IS NOT NULL)
UNION SELECT 'replica identity' FROM pg_class WHERE oid = %(table)s AND relreplident <> 'd'
UNION SELECT 'storage parameters' FROM pg_class
    WHERE oid = %(table)s AND (reloptions IS NOT NULL OR relpersistence <> 'p') ORDER BY 1
"""
"""What would be lost with the table: things that depend on it, and what people gave it beside rights and indexes."""
_TAKING_KEYS = """
SELECT conname, conrelid::regclass::text FROM pg_constraint
WHERE confrelid = %(table)s AND confdeltype IN ('c', 'n', 'd') ORDER BY 1
"""
"""Keys of other tables whose rows change where a row of the table goes: CASCADE, SET NULL, SET DEFAULT."""


class Name(NamedTuple):
    """A table by its parts: ``("lists",)``, or ``("shop", "lists")`` with a schema.

    Args:
        parts: of the name.
    """

    parts: tuple[str, ...]

    @property
    def sql(self) -> Composable:
        """As it stands in a statement."""
        from psycopg import sql

        return sql.Identifier(*self.parts)

    def sibling(self, name: str) -> Name:
        """Another one in the same schema."""
        return Name((*self.parts[:-1], name))

    def oid(self, cursor: Cursor) -> int | None:
        """Its number in the catalogue of the server; None where there is none."""
        found = cursor.execute("SELECT to_regclass(%s)::oid", [self.sql.as_string(cursor)]).fetchone()
        return None if found is None else found[0]

    def located(self, cursor: Cursor) -> Name:
        """With the schema in which the server finds it; as it is where there is none."""
        found = cursor.execute(
            "SELECT nspname, relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
            "WHERE pg_class.oid = to_regclass(%s)",
            [self.sql.as_string(cursor)],
        ).fetchone()
        return self if found is None else Name(tuple(found))


def take_place(cursor: Cursor, new: Name, old: Name) -> None:
    """Brings the rows of ``new`` under the name ``old``, after which ``new`` is gone.

    Where nothing but rights and indexes belongs to ``old``, it is dropped and ``new`` renamed, with the owner, the
    rights and the indexes of ``old``. Where views, functions, triggers, policies, publications, generated columns, keys
    of other tables, or tables that it inherits from or is a partition of depend on ``old``, or people gave it columns,
    types, defaults, constraints, comments of columns or indexes, statistics, a replica identity or storage parameters,
    it stays, and its rows are replaced: all that goes on, columns that lists do not have get their defaults, and
    readers see the old rows until all is committed.

    Raises:
        ArtifactError: ``old`` has to stay, and the columns of ``new`` do not fit; or rows of another table would go or
            change with those of ``old``.
    """
    from psycopg import sql

    table, made = old.oid(cursor), new.oid(cursor)
    assert made is not None, "it was made in this transaction"
    dependents = [] if table is None else [row[0] for row in _rows(cursor, _DEPENDENTS, table)]
    if dependents:
        cursor.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(old.sql))
        _refill(cursor, new, old, dependents)
        return
    indexes: dict[str, str] = {}
    if table is not None:
        indexes = _copy_indexes(cursor, table, new)
        keys = (_rows(cursor, _KEY, each) for each in (made, table))
        indexes |= {ours: name for (ours,), (name,) in zip(*keys, strict=False)}  # none where people dropped the key
        _copy_rights(cursor, table, new)
        cursor.execute(sql.SQL("DROP TABLE {}").format(old.sql))
    cursor.execute(sql.SQL("ALTER TABLE {} RENAME TO {}").format(new.sql, sql.Identifier(old.parts[-1])))
    for beside, name in indexes.items():
        renamed = sql.SQL("ALTER INDEX {} RENAME TO {}").format(new.sibling(beside).sql, sql.Identifier(name))
        cursor.execute(renamed)


def _refill(cursor: Cursor, new: Name, old: Name, dependents: Sequence[str]) -> None:
    from psycopg import sql

    found = [_rows(cursor, _COLUMNS, name.oid(cursor)) for name in (new, old)]
    given, columns = ({name: kind for name, kind, *_ in rows} for rows in found)
    needed, casts = {row[0] for row in found[1] if not row[2]}, {row[0]: row[3] for row in found[1]}
    fits = all(columns.get(name) == kind or columns.get(name, kind) not in _KINDS for name, kind in given.items())
    if not (fits and needed <= given.keys()):
        shown = [", ".join(f"{name} {kind}" for name, kind in each.items()) for each in (columns, given)]
        raise ArtifactError(
            f"{'.'.join(old.parts)} in PostgreSQL has the columns {shown[0]}, and these lists {shown[1]}; a table of "
            f"these would be without {', '.join(dependents)}: drop them, load the lists and make them again, or name "
            "another table (--table)"
        )
    if keys := _rows(cursor, _TAKING_KEYS, old.oid(cursor)):
        name, beside = keys[0]
        raise ArtifactError(
            f"the key {name} of {beside} in PostgreSQL changes or deletes rows of {beside} where rows of "
            f"{'.'.join(old.parts)} are replaced; drop it, or name another table (--table)"
        )
    names = sql.SQL(", ").join(map(sql.Identifier, given))
    cells = sql.SQL(", ").join(sql.SQL("{}::{}").format(sql.Identifier(name), sql.SQL(casts[name])) for name in given)
    cursor.execute("SET CONSTRAINTS ALL DEFERRED")  # keys that may wait find the new rows
    cursor.execute(sql.SQL("DELETE FROM ONLY {}").format(old.sql))
    filled = "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}"  # the ranks of lists, whatever is counted
    cursor.execute(sql.SQL(filled).format(old.sql, names, cells, new.sql))
    comment = cursor.execute("SELECT obj_description(%s, 'pg_class')", [new.oid(cursor)]).fetchone()
    assert comment is not None, "the query has one row"
    cursor.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(old.sql, sql.Literal(comment[0])))
    cursor.execute(sql.SQL("DROP TABLE {}").format(new.sql))


def _copy_indexes(cursor: Cursor, table: int, new: Name) -> dict[str, str]:
    """Makes the indexes of ``table`` but the primary key on ``new``; returns the names that they are to have."""
    from psycopg import sql

    made = {}
    for name, kind, definition in _rows(cursor, _INDEXES, table):
        beside = f"recsys_{short_digest([*new.parts, name])}"
        words = sql.SQL(kind), sql.Identifier(beside), new.sql, sql.SQL(definition.partition(" USING ")[2])
        cursor.execute(sql.SQL("CREATE {} {} ON {} USING {}").format(*words))
        made[beside] = name
    return made


def _copy_rights(cursor: Cursor, table: int, new: Name) -> None:
    """Gives ``new`` the owner and the rights of ``table``, in place of those that new tables have by default."""
    from psycopg import sql

    ((owner,),) = _rows(cursor, "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = %(table)s", table)
    cursor.execute(sql.SQL("ALTER TABLE {} OWNER TO {}").format(new.sql, sql.Identifier(owner)))
    grants = _rows(cursor, _GRANTS, table)
    if not grants:
        return
    for grantee in {row[2] for row in _rows(cursor, _GRANTS, new.oid(cursor))}:
        cursor.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(new.sql, sql.SQL(grantee)))
    for privilege, column, grantee, option in grants:
        words = sql.SQL(privilege + column), new.sql, sql.SQL(grantee + option)
        cursor.execute(sql.SQL("GRANT {} ON {} TO {}").format(*words))


def _rows(cursor: Cursor, query: str, table: int | None) -> list[tuple[str, ...]]:
    return cursor.execute(query, {"table": table}).fetchall()
