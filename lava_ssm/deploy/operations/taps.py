"""`Taps` in C: each channel's last messages."""

from lava_ssm.deploy.writer import Writer, filled
from lava_ssm.network import Population, Taps

_TEMPLATE = """\
/* Taps: of each of @d_model@ channels the last @length@ messages, oldest first. */
static void @function@(
    @kind@ *restrict earlier, const @kind@ *restrict u, @kind@ *restrict sent)
{
    for (int i = 0; i < @d_model@; i++) {
        @kind@ *const line = earlier + i * @before@;
        @kind@ *const taps = sent + i * @length@;
        for (int k = 0; k < @before@; k++) {
            taps[k] = line[k];
        }
        taps[@before@] = u[i];
        for (int k = 0; k < @before@; k++) {
            line[k] = taps[k + 1];
        }
    }
}
"""


def write(writer: Writer, n: int, population: Population) -> None:
    """See `operations`."""
    neurons = population.neurons
    assert isinstance(neurons, Taps)
    u = writer.sent[population.inputs[0].source]
    before = neurons.length - 1
    text = filled(
        _TEMPLATE,
        {
            "d_model": neurons.d_model,
            "length": neurons.length,
            "before": before,
            "kind": u.kind,
        },
    )
    out = writer.buffer(u.kind, neurons.n_neurons)
    out.low, out.high = min(u.low, 0), max(u.high, 0)
    earlier = writer.carried(f"x{n}", u.kind, neurons.d_model * before)
    function = writer.function("taps", text)
    writer.call(function, earlier, u.place, out.place, stage=population.stage)
    writer.sent[n] = out
