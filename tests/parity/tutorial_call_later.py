# SPDX-License-Identifier: MIT
# A clock: a callback that asks to be called again, until five seconds are over.
import virtual
from virtual import say


def display_date(end_time, loop):
    say("tick")
    if loop.time() + 1.0 < end_time:
        loop.call_later(1, display_date, end_time, loop)
    else:
        loop.stop()


loop = virtual.new_loop()
loop.call_soon(display_date, 5.0, loop)
loop.run_forever()
say("stopped")
loop.close()
