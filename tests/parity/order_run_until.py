# SPDX-License-Identifier: MIT
# A loop runs until one task is done; the others stay where they are until it runs again.
import virtual
from virtual import say, steps, work

loop = virtual.new_loop()
other = loop.create_task(steps("other", 6))
sleeper = loop.create_task(work("sleeper", 1))
loop.run_until_complete(steps("first", 2))
say("first is done")
loop.run_until_complete(steps("", 0))
say("one tick, and what it takes to stop")
loop.run_until_complete(sleeper)
say("sleeper is done")
loop.run_until_complete(other)
loop.close()
