"""The configuration file a new project starts with, explained line by line in both languages."""

CONFIG_TEMPLATE = """\
# returnrisk 项目配置 / project configuration
schema = 1
county_zh = {county_zh}
county_en = {county_en}
synthetic = {synthetic}            # 模拟数据 / true for a simulated county: lists and reports say so
key_file = "pseudonym.key"   # 化名密钥，妥善保管 / keep it safe and apart: without it months cannot be linked
model = "fall-12m"           # models/<name>.toml 或随包模型 / of this folder, or a shipped one
seed = 0
# tracking_uri = "http://host:5000"   # 县里已有 MLflow 服务器时 / where the county has an MLflow server; else mlruns/

# 走访能力与分级（县级自定；以下为假定值）/ capacity and tiers: the county's choice; these values are assumed
[visits]
per_township = 40            # 每乡镇每月户数 / households per township and month
random_places = 0            # 每乡镇另抽签走访的户数：只有这样才知道名单之外漏了谁 / drawn by lot beside them: the only way to learn whom lists miss
top_reasons = 3

# 规则包：policy/<name>.yaml 或随包的 national、gansu-style、guangxi-style / rules: a pack of this folder, or a shipped one
[policy]
pack = "national"

# 数据迟到天数，与契约不同时填写 / reporting delay in days where it is not the contract's
[delay_days]
# income = 45

# 某乡镇某月的台账不足平时一定比例时，不计为已送达（假定值；shares = {{}} 为不判断）
# A township's ledger of a month below this share of the usual does not count as delivered (assumed; shares = {{}} judges none)
# [half_delivery]
# shares = {{ income = 0.5 }}    # 占平时户月数的比例 / of the usual household-months
# months = 12                  # 以前多少个月为平时 / how far back the usual is looked for
# min_earlier = 3              # 至少几次以前的报送 / so many earlier deliveries are needed
# min_usual = 20               # 平时户月数不足此数的乡镇不判断 / smaller townships are not judged

# 数据库查询作为数据来源（只读；口令放在环境变量里）/ queries as sources: read only, passwords in environment variables
# [[sources]]
# name = "yibao"
# table = "medical"
# url = "postgres://reader:${{YIBAO_PASSWORD}}@host/database"    # duckdb://file, sqlite://file
# query = "select * from settled"
"""
