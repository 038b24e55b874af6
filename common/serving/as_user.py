"""Becomes another user, then the program: python common/as_user.py USER PROGRAM ARGUMENT..."""

import os
import pwd
import sys

entry = pwd.getpwnam(sys.argv[1])
os.setgroups([entry.pw_gid])
os.setgid(entry.pw_gid)
os.setuid(entry.pw_uid)
os.environ["HOME"] = "/"
os.execv(sys.argv[2], sys.argv[2:])
