-- each request uses up one code: lines of "phone code"
dofile("report.lua")
local next_line = io.lines(os.getenv("BENCH_CODES"))
local headers = { ["Content-Type"] = "application/json" }
function request()
  local line = next_line()
  if not line then error("the slice used up its codes") end
  local phone, code = line:match("(%S+) (%S+)")
  return wrk.format("POST", nil, headers, '{"phone":"' .. phone .. '","otp":"' .. code .. '"}')
end
