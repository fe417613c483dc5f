"""The line between the room and the examiner."""

from __future__ import annotations

from tests.support.attacks.attack import ATTEMPT, CHANNEL, Attack, at

CHANNELS = {
    "garbage": at("dz", "writes rubbish to the examiner", CHANNEL + "os.write(fd, os.urandom(2**16))"),
    "announces-much": at(
        "dz", "announces a message of 2**60 bytes", CHANNEL + "os.write(fd, struct.pack('>QQ', 2**60, 2**60))"
    ),
    "slow-message": at(
        "dz",
        "sends a message byte by byte",
        CHANNEL
        + """
import time
os.write(fd, struct.pack('>QQ', 2**20, 0))
while True:
    os.write(fd, b'[')
    time.sleep(0.1)""",
        noted="ended in the cell `dz`",
    ),
    "answers-of-other-shapes": at("dz", "answers with what is no answer", CHANNEL + "os.write(fd, frame({'told': [1, 2]}))"),
    "verdicts-as-answers": at(
        "dz",
        "answers with verdicts",
        CHANNEL
        + "os.write(fd, frame({'told': {'messages': [], 'error': None, 'cut': False, 'outcome': 'right', 'verdict': 'right',"
        " 'points': 9}, 'score': 9}))",
    ),
    "failures-as-answers": at(
        "dz",
        "answers with errors that stop an examiner",
        CHANNEL
        + "os.write(fd, frame({'failed': {'kinds': ['SystemExit', 'KeyboardInterrupt', 'BaseException'], 'message': '0',"
        " 'name': ''}}))",
    ),
    "wrong-byte-counts": at(
        "dz",
        "answers with tensors of more bytes than there are",
        CHANNEL
        + """
from autograder.examiner.channel import HEADER
for shape, end in (([2**40], 4), ([-1], 4), ([2], 2**60), ([1], -4), ([1, 2**63, 2**63], 0), ([1], 3)):
    index = repr({'0': {'dtype': 'F32', 'shape': shape, 'data_offsets': [0, end]}}).replace("'", '"').encode()
    blob = len(index).to_bytes(8, 'little') + index + bytes(4)
    text = b'["dict","told",["dict","answer",["tensor","0","float32"]]]'
    os.write(fd, HEADER.pack(len(text), len(blob)) + text + blob)""",
    ),
    "questions-of-its-own": Attack(
        "asks the examiner for what it has",
        {
            "dz": """
import gc
ask = next(o for o in gc.get_objects() if type(o).__name__ == 'Agent').conversation.ask
"""
            + ATTEMPT
            + """
def given(told):
    if told['error']:
        raise RuntimeError
    return told
for question, details in {'callback': dict(number=0, args=[], kwargs={}), 'values': dict(names=['reference']),
    'grade': dict(name='dz'), 'run': dict(source='1'), '__class__': {}, 'eval': dict(source='1'),
    'call': dict(by='grade')}.items():
    attempt(question, lambda: given(ask(question, **details)))
for number in (-1, 2**60, None, 'x', 1.5):
    attempt('callback', lambda: given(ask('callback', number=number, args=[], kwargs={})))
for what in ('grade', '__class__', None, (), 'hint'):
    attempt('show', lambda: given(ask('show', what=what, args=['dz'], kwargs={})))
for kwargs in ({'effort': 1}, {'by': 'grade'}, {'name': 'dz'}):
    attempt('show', lambda: given(ask('show', what='check', args=['dz'], kwargs=kwargs)))
"""
        },
        loses="dz",
        shows="^callback refused",
    ),
    "questions-within-questions": at(
        "dz",
        "answers every question by a question",
        """
import gc
agent = next(o for o in gc.get_objects() if type(o).__name__ == 'Agent')
def never(**details):
    return agent.show('check', 'dz')
agent.questions.update(replay=never, names=never, values=never)
check('dz')
""",
    ),
    "endless-questions": at(
        "dz",
        "asks without an end, and lets nothing interrupt it",
        CHANNEL
        + """
import signal
os.set_blocking(fd, True)
many = frame({'ask': 'show', 'with': {'what': 'check', 'args': ['nothing'], 'kwargs': {}}}) * 1000
signal.signal(signal.SIGINT, signal.SIG_IGN)
if not os.fork():
    while True:
        os.read(fd, 2**20)
while True:
    os.write(fd, many)""",
        noted="ended in the cell `dz`",
    ),
    "changed-agent": at(
        "dz",
        "has the agent answer for the cell",
        """
import gc
agent = next(o for o in gc.get_objects() if type(o).__name__ == 'Agent')
replay = agent.questions['replay']
def mine(name, **details):
    told = replay(name=name, **details)
    if name == 'dz':
        told.update(missing=False, error=None, answer=details['given']['incoming']['h'])
    return told
agent.questions['replay'] = mine
dz = dh""",
    ),
    "forged-errors": at(
        "perplexity",
        "sends results that are nothing, or too much",
        """
import gc
agent = next(o for o in gc.get_objects() if type(o).__name__ == 'Agent')
agent.questions['operate'] = lambda **k: {'value': {'old': -1}, 'error': None, 'changes': [[10**9, 1], [-1,
    1]], 'printed': {'stdout': 1}}
def perplexity(loss):
    return 5""",
    ),
}
