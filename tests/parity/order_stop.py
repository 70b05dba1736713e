# SPDX-License-Identifier: MIT
# Stopping a loop lets the tick end; what was added runs when the loop runs again.
import virtual
from virtual import say, say_later, say_soon


def stop(loop):
    say("stop")
    loop.stop()
    say_soon("added after the stop")


loop = virtual.new_loop()
loop.call_soon(stop, loop)
say_soon("in the same tick")
say_later(1, "later")
loop.run_forever()
say("stopped")
loop.call_later(2, stop, loop)
loop.run_forever()
say("stopped again")
loop.stop()
loop.run_forever()
say("a stop before the run allows one tick")
loop.close()
