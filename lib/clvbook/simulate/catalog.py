"""What the simulated shop sells and to whom: products, provinces, channels, remarks. All invented."""

# (category, [(sku, title, list price)]) from cheap to dear; commas and quotes exercise CSV quoting.
PRODUCTS = [
    ("面膜", [
        ("MM01", "玻尿酸补水面膜 5片", 39), ("MM02", "烟酰胺面膜, 25ml×10片", 79),
        ("MM03", '"水光" 蚕丝面膜 20片装', 129), ("MM04", "修护面膜礼盒, 30片", 239),
    ]),
    ("洁面", [
        ("JM01", "氨基酸洁面乳 60g", 29), ("JM02", "氨基酸洁面乳 120g", 59),
        ("JM03", "温和卸妆油, 150ml", 99), ("JM04", "洁面慕斯 两瓶装", 149),
    ]),
    ("精华", [
        ("JH01", "维C精华 15ml", 69), ("JH02", "维C精华 30ml", 129),
        ("JH03", '视黄醇 "晚安" 精华 30ml', 199), ("JH04", "双抗精华套装, 30ml×2", 329),
    ]),
    ("面霜", [
        ("MS01", "保湿面霜 30g", 49), ("MS02", "保湿面霜 50g", 89),
        ("MS03", "屏障修护面霜 50g", 159), ("MS04", "抗皱面霜, 礼盒装", 299),
    ]),
    ("彩妆", [
        ("CZ01", "雾面口红 #02", 45), ("CZ02", '雾面口红 "豆沙色"', 69),
        ("CZ03", "气垫粉底, 含替换芯", 139), ("CZ04", "眼影盘 12色", 189),
    ]),
    ("防晒", [
        ("FS01", "防晒喷雾 100ml", 39), ("FS02", "清爽防晒乳 SPF50+, 50ml", 79),
        ("FS03", "防晒乳 50ml×2", 139), ("FS04", "全家防晒套装", 219),
    ]),
]  # fmt: skip
CATEGORY_SHARES = (0.26, 0.16, 0.17, 0.15, 0.16, 0.10)

PROVINCES = [
    ("广东", "华南", 14), ("浙江", "华东", 11), ("江苏", "华东", 11), ("上海", "华东", 7), ("北京", "华北", 6),
    ("山东", "华东", 8), ("四川", "西南", 7), ("河南", "华中", 6), ("湖北", "华中", 6), ("福建", "华东", 5),
    ("湖南", "华中", 5), ("河北", "华北", 4), ("辽宁", "东北", 4), ("陕西", "西北", 3), ("重庆", "西南", 3),
]  # fmt: skip

# (source, share of new customers, tilt towards frequent buyers, mean cost of one new customer in CNY)
SOURCES = [
    ("search", 0.34, 0.3, 12.0),
    ("ads", 0.24, -0.6, 38.0),
    ("live", 0.18, -0.3, 26.0),
    ("short_video", 0.14, -0.2, 21.0),
    ("referral", 0.10, 1.2, 8.0),
]

REMARKS = ["请尽快发货", "送人的, 请包装好", '卡片写 "生日快乐"', "不要放快递柜", "谢谢老板, 老顾客了"]
REMARK_SHARE = 0.04

TIERS = ["普通", "银卡", "金卡", "黑卡"]
TIER_SPEND = (399, 1699, 3699)  # CNY spent until the end at which the next tier begins

# Orders by hour of the day: lunch and late evening are busy.
HOURS = (12, 7, 4, 2, 2, 3, 8, 16, 28, 42, 52, 50, 54, 48, 44, 44, 44, 42, 46, 58, 74, 82, 70, 38)
