"""The whole service on sample data against the sandbox: it runs, is watched, and is judged.

Everything happens in one folder that is removed afterwards, on 127.0.0.1 alone. What is measured
and compared at the end is computed from the ERP's own tables, from the rows that the drop files
were written of, and from the sandbox's journal: nothing of it rests on the service's word.
"""

from worker.demo.options import DemoOptions
from worker.demo.performance import DemoEnded, perform
from worker.demo.waiting import DemoFailed

__all__ = ["DemoEnded", "DemoFailed", "DemoOptions", "perform"]
