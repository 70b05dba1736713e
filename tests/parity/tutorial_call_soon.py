# SPDX-License-Identifier: MIT
# Without coroutines: a callback stops the loop.
import virtual
from virtual import say


def hello_world(loop):
    say("Hello World")
    loop.stop()


loop = virtual.new_loop()
loop.call_soon(hello_world, loop)
say("nothing is called before the loop runs")
loop.run_forever()
loop.close()
