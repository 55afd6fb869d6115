"""`InverseSqrt` in C: `numerics.scaled_inverse_sqrt`."""

from lava_ssm.deploy.operations.loop import Loop
from lava_ssm.deploy.values import Value, literal
from lava_ssm.network import InverseSqrt
from lava_ssm.numerics import INVERSE_SQRT_TABLE, word_range
from lava_ssm.numerics.inverse_sqrt import FRACTION_BITS, SCALED_BIT


def value(loop: Loop, neurons: InverseSqrt) -> Value:
    """See `loop.write`."""
    _, most = word_range(loop.message_bits)
    epsilon = int(neurons.epsilon)
    v = loop.body.let("v", loop.sum() + Value(literal(epsilon), epsilon, epsilon))
    table = loop.writer.constant(INVERSE_SQRT_TABLE, "roots", "int32_t")
    loop.array("table", "int32_t", table, 0, 0)
    amount = 3 * FRACTION_BITS // 2 - neurons.exponent
    loop.body.lines += [
        f"const int64_t sum = {v.text} > 1 ? {v.text} : 1;",
        f"const int j = (ssm_highest_bit(sum) - {SCALED_BIT}) >> 1;",
        "const int64_t scaled = j >= 0 ? sum >> (2 * j) : sum * (INT64_C(1) << (-2 * j));",
        "const int64_t root = ssm_inverse_sqrt(scaled, table);",
        f"const int amount = j + {amount} < -40 ? -40 : j + {amount} > 63 ? 63 : j + {amount};",
        "const int64_t r = amount < 0 ? root * (INT64_C(1) << -amount)"
        f" : ssm_{loop.rounding.value}64(root, amount);",
    ]
    return Value(f"(int32_t)(r > {literal(most)} ? {literal(most)} : r)", 0, most)
