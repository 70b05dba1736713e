# SPDX-License-Identifier: MIT
# A loop made by hand runs twice, then is closed.
import virtual
from virtual import say, work

loop = virtual.new_loop()
name = loop.run_until_complete(work("first", 1))
say(f"back from {name}")
name = loop.run_until_complete(work("second", 2))
say(f"back from {name}")
loop.close()
