"""DuckDB reads the table of a study, and the means that the study states are those of the table.

study_table.py SESSIONS.parquet STUDY.json
"""

import json
import sys

import duckdb

table, study = sys.argv[1], json.load(open(sys.argv[2]))
db = duckdb.connect()
columns = {name: kind for name, kind, *_ in db.execute("describe select * from read_parquet(?)", [table]).fetchall()}
assert columns["participant"] == "VARCHAR" and columns["seed"] == "BIGINT" and columns["snr"] == "DOUBLE", columns
rows = db.execute("select count(*) from read_parquet(?)", [table]).fetchone()[0]
assert rows == study["sessions"], (rows, study["sessions"])
order = db.execute("select protocol, arm, brain, participant, seed from read_parquet(?)", [table]).fetchall()
assert len(set(order)) == rows
assert {seeds for (seeds,) in db.execute("select distinct seeds from read_parquet(?)", [table]).fetchall()} == {study["seeds"]}

compared = 0
for outcome in study["outcomes"]:
    for arm in outcome["arms"]:
        for group in arm["by_group"]:
            where = "" if group["group"] == "all" else f"and snr_tercile = '{group['group']}'"
            # People are averaged first, but where brains were drawn as well every session counts once.
            mean = db.execute(
                f"""select avg(person) from (
                    select avg({outcome['metric']}) filter (where isfinite({outcome['metric']})) as person
                    from read_parquet(?) where protocol = ? and arm = ? {where}
                    group by participant, brain, case brain when '' then 0 else seed end)""",
                [table, outcome["protocol"], arm["arm"]],
            ).fetchone()[0]
            stated = group["value"]
            if stated is None:
                assert mean is None
                continue
            assert abs(mean - stated) < 1e-9 * abs(mean), (outcome["metric"], arm["arm"], group, mean)
            compared += 1
print(f"{rows} rows, {len(columns)} columns; agrees with DuckDB {duckdb.__version__} in {compared} means")
