"""Runs a program at a terminal of its own, for tests that have none.

Lines on standard input are what happens at it: `type "text\\r"` (JSON) and `size 120 40`. What the program shows is copied to standard output,
and its exit code is this one's.
"""

import fcntl
import json
import os
import pty
import select
import struct
import sys
import termios

child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[1], sys.argv[1:])


def resize(columns, rows):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


resize(80, 24)
pending = b""
open_input = True
while True:
    ready, _, _ = select.select([terminal] + ([0] if open_input else []), [], [])
    if terminal in ready:
        try:
            shown = os.read(terminal, 65536)
        except OSError:
            break
        if not shown:
            break
        os.write(1, shown)
    if 0 in ready:
        piece = os.read(0, 65536)
        open_input = bool(piece)
        pending += piece
        *lines, pending = pending.split(b"\n")
        for line in lines:
            verb, rest = line.decode().split(" ", 1)
            if verb == "type":
                os.write(terminal, json.loads(rest).encode())
            else:
                resize(*map(int, rest.split()))
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
