-- Sends the bodies of a file, one a line, in turn; without a file, GET. Prints one line of JSON when done.
--
-- With "successors" a body is spent once it was sent, and the refresh token of the answer makes the next one.

local bodies = {}
local has_successors = false

function init(arguments)
   if arguments[1] == nil then
      return
   end
   has_successors = arguments[2] == "successors"
   for body in io.lines(arguments[1]) do
      table.insert(bodies, body)
   end
   wrk.method = "POST"
   wrk.headers["Content-Type"] = "application/json"

   request = function()
      local body = table.remove(bodies, 1)
      if not has_successors then
         table.insert(bodies, body)
      end
      return wrk.format(nil, nil, nil, body)
   end
   if has_successors then
      response = function(_, _, answer)
         local token = answer:match('"refresh_token":"([^"]+)"')
         if token then
            table.insert(bodies, '{"refresh_token":"' .. token .. '"}')
         end
      end
   end
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '{"requests":%d,"seconds":%f,"p50_ms":%f,"p99_ms":%f,"errors":%d}\n',
      summary.requests,
      summary.duration / 1e6,
      latency:percentile(50) / 1e3,
      latency:percentile(99) / 1e3,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout
   ))
end
