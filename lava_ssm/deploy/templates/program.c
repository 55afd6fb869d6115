@about@
#include "@name@.h"

#include <stddef.h>

@library@
@counts@@functions@
@constants@

/* Take a token in, if all of it lies in the input's format. */
static int taken(const int32_t *restrict token, @input_kind@ *restrict u)
{
    int fits = 1;
    for (int i = 0; i < @d_input@; i++) {
        fits &= (token[i] >= @low@) & (token[i] <= @high@);
        u[i] = @cast@token[i];
    }
    return fits;
}

void @name@_reset(@name@_state *state)
{
    unsigned char *const bytes = (unsigned char *)state;
    for (size_t i = 0; i < sizeof *state; i++) {
        bytes[i] = 0;
    }
}

int @name@_step(@name@_state *state, const int32_t *token, int32_t *output)
{
    if (!taken(token, @input@)) {
        return @NAME@_OUT_OF_RANGE;
    }
@steps@
    return @NAME@_OK;
}
