"""What a kernel runs first, where ``sandbox labs start`` has opened JupyterLab (PYTHONSTARTUP).

A learner who begins with the third cell is then told of it in a sentence, too.
"""

from sandbox.labs.kernel import tell_in_sentences

tell_in_sentences()
