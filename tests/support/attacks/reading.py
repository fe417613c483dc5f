"""Hidden tests, references and seeds looked for."""

from __future__ import annotations

from tests.support.attacks.attack import ATTEMPT, HONEST, Attack, at

READING = {
    "model-answers": at(
        "dz",
        "looks for the model answers of the course that comes with the package",
        """
import sys
from pathlib import Path
import autograder
from autograder import solution
from autograder.course.questions import model_answer
solution('dprobs', anyway=True)
package = Path(autograder.__file__).parent
texts = {
    path.read_text()
    for place in {package, *map(Path, [*sys.path, '/usr/lib', '/usr/local/lib', sys.prefix, sys.base_prefix])}
    for pattern in ('*.ipynb', '*/*.ipynb', '*/*/*.ipynb', '*/*/*/*.ipynb')
    for path in place.glob(pattern)
}
found = [text for text in texts if 'BEGIN SOLUTION' in text]
forward = 'loss = F.cross_entropy(logits, Yb)'
answers = [model_answer(folder, forward, 'dlogits') for folder in (Path(), package, package.parent)]
print('WORKED' if found or any(answers) else 'nothing', (package / 'course' / 'questions.py').is_file())
""",
        shows="^nothing True",
    ),
    "memory": at(
        "dz",
        "searches its writable memory for the hidden tests",
        """
import re, secrets
control = ('CONT' + 'ROL-' + secrets.token_hex(8)).encode()
bytes_seen, found, controls = 0, set(), 0
for line in open('/proc/self/maps').read().splitlines():
    span, rights, *_ = line.split()
    if rights[:2] != 'rw':
        continue
    start, end = (int(part, 16) for part in span.split('-'))
    with open('/proc/self/mem', 'rb', 0) as memory:
        for place in range(start, end, 2**22):
            try:
                memory.seek(place)
                text = memory.read(min(2**22 + 64, end - place))
            except OSError:
                continue
            bytes_seen += len(text)
            controls += text.count(control)
            found |= set(re.findall(b'HID' + b'DEN-[0-9a-f]{16}', text))
print(f'{len(found)} hidden, {controls > 0} control, {bytes_seen > 10**7}')
""",
        shows="^0 hidden, True control, True",
    ),
    "frames-and-objects": at(
        "dz",
        "walks frames, modules and objects for texts of tests, and for whoever holds them",
        """
import gc, sys
word, found, seen = 'HID' + 'DEN-', [], 0
kinds = {'Examiner', 'Exam', 'ExamResult', 'Job', 'Tape', 'Namespace', 'Student', 'Grader'}
def look(value):
    if type(value) is str and word in value or type(value) is bytes and word.encode() in value or type(value).__name__ in kinds:
        found.append(type(value))
frame = sys._getframe()
while frame:
    [look(value) for value in frame.f_locals.values() if value is not word]
    frame = frame.f_back
for value in gc.get_objects():
    seen += 1
    look(value)
    if type(value) is dict and '__name__' in value or type(value) in (list, tuple):
        [look(each) for each in [*(value.values() if type(value) is dict else value)] if each is not word]
print(len(found), seen > 100)
""",
        shows="^0 True",
    ),
    "history": at(
        "dz",
        "reads the history of cells, and what stands behind grade",
        """
shell = get_ipython()
from autograder import grade
text = repr([In, Out, _ih, list(shell.history_manager.get_range(raw=True))]) + repr(vars(grade))
print('HID' + 'DEN' in text, 'history_manager' in text)
grade('dz')
""",
        shows="^False True(.|\n)*NotReady",
    ),
    "environment": at(
        "dz",
        "reads what processes were started with",
        """
import glob, os
text = repr(dict(os.environ)) + os.getcwd()
for path in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline') + ['/proc/self/mountinfo']:
    try:
        text += open(path, errors='replace').read()
    except OSError:
        pass
print('$token'[1:] in text, len(text) > 100)
""",
        shows="^False True",
    ),
    "descriptors": at(
        "dz",
        "uses the files that are open",
        ATTEMPT
        + """
import os, stat
kinds = []
for name in os.listdir('/proc/self/fd'):
    number = int(name)
    try:
        kinds.append((number, stat.S_IFMT(os.fstat(number).st_mode), os.readlink(f'/proc/self/fd/{name}')))
    except OSError:
        pass
outside = [k for k in kinds if k[2].startswith('/') and not k[2].startswith(('/room', '/tmp', '/dev/null', '/proc'))]
print(outside, len(kinds) < 10, sum(stat.S_ISSOCK(k[1]) for k in kinds))
""",
        shows=r"^\[\] True 1",
    ),
    "files-of-the-host": at(
        "dz",
        "opens home, gradebook, key, source and other submissions",
        ATTEMPT
        + """
import os
files = ('gradebook.db', 'examiner.key', 'source/ps/lesson.ipynb', 'submitted/honest/ps/lesson.ipynb', 'autograded', '')
others = ('$home', '/etc/shadow', '/proc/1/root$course', '/proc/1/cwd/..$course', '/proc/self/root$course', '/run', '/sys')
for place in ('$home/secret', *(f'$course/{name}' for name in files), *others):
    attempt(place, lambda: os.listdir(place) if os.path.isdir(place) else open(place, 'rb').read(10))
""",
        shows="secret refused FileNotFoundError",
    ),
    "other-notebooks": at(
        "dz",
        "looks for notebooks beside it, in which the tests stand",
        """
import os, sys
places = ('/submission', '/room', '/tmp', '/dev/shm', os.path.expanduser('~'))
found = [f'{folder}/{name}' for place in places for folder, _, names in os.walk(place) for name in names]
print([path for path in found if path.endswith(('.ipynb', '.db', '.key')) and not path.startswith(sys.prefix)], os.getcwd())
""",
        shows=r"^\[\] /",
    ),
    "scratch-a-leaves": Attack(
        "leaves files in every place it may write to",
        {
            "dz": """
import os
for place in ('.', '/tmp', '/dev/shm', os.path.expanduser('~'), '/room'):
    try:
        open(f'{place}/$token', 'w').write(dz_answer if 'dz_answer' in globals() else 'dz = dh * (1 - h**2)')
    except OSError as error:
        print(place, error)
"""
            + HONEST["dz"]
        },
    ),
    "scratch-b-reads": at(
        "dz",
        "reads what the submission before it has left",
        """
import os
found = [f'{f}/$token' for top in ('/submission', '/room', '/tmp', '/dev/shm', os.path.expanduser('~')) for f,
    _, names in os.walk(top) if '$token' in names]
print(found)
exec(open(found[0]).read())
""",
        shows=r"^\[\]\n(.|\n)*IndexError",
    ),
}
