"""The training loop: epochs of steps until the budget is used or a signal comes."""

from __future__ import annotations

from dataclasses import dataclass

from equishare.potential import AtomGraph
from equishare.training.checkpoint import Checkpoints
from equishare.training.data.batches import BatchLoader
from equishare.training.interruption import Interruption
from equishare.training.objective import Objective
from equishare.training.processes import ProcessError, Processes
from equishare.training.report.progress import TrainingProgress
from equishare.training.state import TrainingState
from equishare.training.validation import Validation


@dataclass(frozen=True, eq=False)
class Loop:
    """What takes part in a training.

    Attributes:
        state: What is fitted; its step says where in the order of the frames to go on.
        objective: The loss.
        batches: Training frames.
        validation: Judges the averaged weights and keeps the best.
        checkpoints: Writes what a resumption needs.
        interruption: Tells of a signal.
        progress: Shows where the run is.
    """

    state: TrainingState
    objective: Objective
    batches: BatchLoader
    validation: Validation
    checkpoints: Checkpoints
    interruption: Interruption
    progress: TrainingProgress

    def run(self) -> None:
        """Train until the budget is used or a signal comes; judge what came last.

        Raises:
            DivergedError: if the loss is no longer a number.
            OSError: if a file cannot be written.
        """
        state = self.state
        with self.progress:
            state.warm_up(self.objective, self._on_device(next(iter(self.batches))))
            if self.processes.first:
                self.validation.warm_up(state)
            state.start_clock()
            try:
                while not self._stopping():
                    self._epoch()
            except ProcessError as error:
                raise self._abandoned(error) from error
            if not self.processes.first:
                return
            if self.interruption.requested:
                # before the last validation, which a run that is not interrupted does not make
                self.checkpoints.write(state, self.validation)
            self.validation.at_end(state)
            if not self.interruption.requested:
                self.checkpoints.write(state, self.validation)

    def _stopping(self) -> bool:
        """Whether any process got a signal, or the first one finds the budget used: the same answer in all."""
        return self.processes.any(self.interruption.requested or (self.processes.first and self.state.over))

    def _epoch(self) -> None:
        """The rest of an epoch, as far as the budget reaches."""
        state = self.state
        for batch in self.batches.epoch(state.epoch, start=state.steps_into_epoch):
            state.take_step(self.objective, self._on_device(batch))
            if self.processes.first:
                self.progress.on_step(state)
                self.validation.after_step(state)
                self.checkpoints.after_step(state, self.validation)
            self._follow()
            if self._stopping():
                return

    def _follow(self) -> None:
        """Take over the weights that the first process went back to, if it did after this step."""
        state = self.state
        if self.processes.any(self.processes.first and state.ending.begun == state.step):
            weights = state.potential.state_dict()
            state.go_back({name: self.processes.copy_of_first(value) for name, value in weights.items()})

    def _abandoned(self, error: ProcessError) -> ProcessError:
        """Save what there is where another process is gone: the weights are those of the last step that all made."""
        if self.processes.first:
            self.checkpoints.write(self.state, self.validation)
            return ProcessError(
                f"{error}. No step is lost: the checkpoint is that of step {self.state.step}; go on with --resume"
            )
        return ProcessError(f"{error}. The first process keeps what was learnt")

    @property
    def processes(self) -> Processes:
        """Those that train together."""
        return self.objective.processes

    def _on_device(self, batch: AtomGraph) -> AtomGraph:
        return batch.to(self.state.potential.device)
