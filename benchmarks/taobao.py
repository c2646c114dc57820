"""Taobao exports of a million rows: `clean_orders` against bare DuckDB reading the same files.

in: nothing; out: both times, their ratio and the peak of memory on stdout
Files of both encodings are made in a temporary folder: months that overlap, spreadsheet marks, refunds, masked buyers.
Each side runs in a process of its own. Bare DuckDB stores every cell of the same files as text, and no more: no types,
no checks. It cannot read GB18030: there its side first copies the files to UTF-8 with Python's codec, as anyone would
have to; the time without the copying is printed beside. Ratio above 4: exit code 1.
"""

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from clvbook.engine import connect
from clvbook.orders import clean_orders
from clvbook.settings import Settings

TARGET = 4.0
MONTHS = 14
HEADER = (
    "订单编号,买家会员名,买家支付宝账号,买家应付货款,买家应付邮费,买家支付积分,总金额,返点积分,买家实际支付金额,"
    "买家实际支付积分,订单状态,买家留言,收货人姓名,收货地址 ,运送方式,联系电话 ,联系手机,订单创建时间,订单付款时间 ,"
    "宝贝标题 ,宝贝种类 ,物流单号 ,物流公司,订单备注,宝贝总数量,店铺Id,店铺名称,订单关闭原因,卖家服务费,买家服务费,"
    "发票抬头,是否手机订单,分阶段订单信息,特权订金订单id,是否上传合同照片,是否上传小票,是否代付,定金排名,修改后的sku,"
    "修改后的收货地址,异常信息,天猫卡券抵扣,集分宝抵扣,是否是O2O交易,退款金额,预约门店\r\n"
)
MADE = '''
    SELECT '"=""' || (351500000000000000 + i) || '""",' || buyer || ',138****0012,' || paid || ',0.00,0,' || paid || ',0,'
    || CASE WHEN i % 97 = 0 THEN '￥' ELSE '' END || paid || ',0,' || status || ',,张**,四川省 成都市 武侯区 某街道' || i % 9999
    || '号,快递,,''139' || lpad((i % 99999999)::VARCHAR, 8, '0') || ',' || strftime(made, '%Y-%m-%d %H:%M:%S') || ','
    || CASE WHEN status = '等待买家付款' THEN '' ELSE strftime(made + INTERVAL 9 MINUTE, '%Y-%m-%d %H:%M:%S') END
    || ',"防晒霜SPF50+""新版""",1,,,' || CASE WHEN i % 70 = 0 THEN '刷单 勿发' ELSE '' END
    || ',1,0,示例旗舰店,订单未关闭,0元,0元,,手机订单,,,,,,,,,,,,,'
    || CASE WHEN i % 25 = 0 THEN '3.00元' ELSE '无退款申请' END || ',' || chr(13)
    FROM (
        SELECT i, (5 + hash(i) % 300)::VARCHAR || '.48' AS paid,
            TIMESTAMP '2025-09-01' + INTERVAL 1 SECOND * (i * 36700000 // {rows}) AS made,
            CASE WHEN i % 30 = 0 THEN 't***' || i % 10 ELSE 'tb' || hash(i * 7) % ({rows} // 3) END AS buyer,
            CASE WHEN i % 20 = 0 THEN '等待买家付款' WHEN i % 11 = 0 THEN '卖家已发货，等待买家确认' ELSE '交易成功' END AS status
        FROM range({first}, {last}) AS r(i)
    )
'''  # noqa: E501


def make(folder: Path, rows: int) -> None:
    """`rows` rows in MONTHS files of each encoding; the last 2 % of a month stand in the next one again."""
    size = rows // MONTHS
    for month in range(MONTHS):
        first = month * size - (size // 50 if month else 0)
        last = rows if month == MONTHS - 1 else (month + 1) * size
        made = duckdb.sql(MADE.format(first=first, last=last, rows=rows)).fetchall()
        text = HEADER + "\n".join(row for (row,) in made) + "\n"
        for encoding in ("utf-8", "gb18030"):
            (folder / encoding).mkdir(exist_ok=True)
            (folder / encoding / f"ExportOrderList{month:02d}.csv").write_bytes(text.encode(encoding))


def bare(folder: Path) -> int:
    """Every cell as text into a table."""
    if folder.name == "gb18030":
        copies = folder.parent / "copies"
        copies.mkdir(exist_ok=True)
        for path in folder.iterdir():
            with path.open(encoding="gb18030", newline="") as text, (copies / path.name).open("w", newline="") as copy:
                shutil.copyfileobj(text, copy, 1 << 20)
        folder = copies
    con = duckdb.connect()
    con.execute(f"CREATE TABLE t AS SELECT * FROM read_csv('{folder}/*.csv', all_varchar=true, header=true)")  # noqa: S608
    return con.execute("SELECT count(*) FROM t").fetchone()[0]


def ours(folder: Path) -> int:
    """Rows read, typed, set aside with reasons, reconciled; the kept orders and those set aside stored as Parquet."""
    settings = Settings(shop="benchmark", orders=f"{folder}/*.csv", mapping="taobao")
    cleaned = clean_orders(connect(settings), settings)
    cleaned.orders.to_parquet(folder.parent / "orders.parquet")
    cleaned.set_aside.to_parquet(folder.parent / "set_aside.parquet")
    return cleaned.reconciliation.rows_read


def once(side: str, folder: Path) -> tuple[float, float, int]:
    """Seconds, peak MB and rows of one side in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--side", side, "--folder", folder], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    seconds, peak, rows = done.stdout.split()
    return float(seconds), float(peak), int(rows)


def main() -> None:
    """Print times, ratios and peaks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="repeat, and compare medians")
    parser.add_argument("--side", choices=["bare", "ours"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.side:
        start = time.perf_counter()
        rows = {"bare": bare, "ours": ours}[asked.side](asked.folder)
        print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, rows)
        return
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, asked.rows)
        for encoding in ("utf-8", "gb18030"):
            runs = [(once("bare", folder / encoding), once("ours", folder / encoding)) for _ in range(asked.rounds)]
            theirs, own = (statistics.median(run[side][0] for run in runs) for side in (0, 1))
            plain = theirs if encoding == "utf-8" else once("bare", folder / "utf-8")[0]
            peaks = [max(run[side][1] for run in runs) for side in (0, 1)]
            assert {run[side][2] for run in runs for side in (0, 1)} == {runs[0][0][2]}
            worst = max(worst, own / theirs)
            megabytes = sum(path.stat().st_size for path in (folder / encoding).iterdir()) / 1e6
            print(f"{encoding}: {runs[0][0][2]:,} rows in {MONTHS} files, {megabytes:.0f} MB")
            print(f"  bare DuckDB, cells as text: {theirs:6.1f} s, peak {peaks[0]:6,.0f} MB")
            print(f"  clean_orders:               {own:6.1f} s, peak {peaks[1]:6,.0f} MB")
            print(f"  ratio:                      {own / theirs:6.2f}  (at most {TARGET:g} is expected)")
            if plain != theirs:
                print(f"  without the copying:        {own / plain:6.2f}  ({plain:.1f} s)")
    sys.exit(worst > TARGET)


if __name__ == "__main__":
    main()
