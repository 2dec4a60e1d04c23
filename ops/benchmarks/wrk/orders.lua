-- each request is a new order of three products, with a key that never repeats
dofile("report.lua")
local tokens, products, n = {}, {}, 0
math.randomseed(os.time())
local run = math.random(1, 1000000000)
for token in io.lines(os.getenv("BENCH_TOKENS")) do tokens[#tokens + 1] = "Bearer " .. token end
for id in io.lines(os.getenv("BENCH_PRODUCTS")) do products[#products + 1] = id end
local body = '{"items":[{"productId":"%s","quantity":1},{"productId":"%s","quantity":2},{"productId":"%s","quantity":3}],'
  .. '"paymentMethod":"COD","deliveryAddress":{"fullName":"Asha Rao","phoneNumber":"9876543210","addressLine1":"12 Lake Road",'
  .. '"city":"Bengaluru","state":"Karnataka","pinCode":"560001"}}'
local headers = { ["Content-Type"] = "application/json" }
function request()
  n = n + 1
  local a = math.random(1, #products - 7)
  headers["Authorization"] = tokens[n % #tokens + 1]
  headers["X-Idempotency-Key"] = run .. "-" .. n
  return wrk.format("POST", nil, headers, body:format(products[a], products[a + 3], products[a + 7]))
end
