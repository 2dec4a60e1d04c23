-- a GET by one user after another
dofile("report.lua")
local ready, at = {}, 0
function init(args)
  for token in io.lines(os.getenv("BENCH_TOKENS")) do
    ready[#ready + 1] = wrk.format("GET", nil, { ["Authorization"] = "Bearer " .. token })
  end
end
function request()
  at = at % #ready + 1
  return ready[at]
end
