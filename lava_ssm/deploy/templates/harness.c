/* Reads tokens, @d_input@ integers each, and prints what @name@_step makes of each, a line each. */
#include "@name@.h"

#include <inttypes.h>
#include <stdio.h>

static @name@_state state;

int main(void)
{
    int32_t token[@NAME@_INPUTS], output[@NAME@_OUTPUTS];
    @name@_reset(&state);
    for (;;) {
        for (int i = 0; i < @NAME@_INPUTS; i++) {
            if (scanf("%" SCNd32, &token[i]) != 1) {
                return i == 0 && feof(stdin) ? 0 : 3;
            }
        }
        const int status = @name@_step(&state, token, output);
        if (status != @NAME@_OK) {
            (void)fprintf(stderr, "@name@_step: %d\n", status);
            return status;
        }
        for (int i = 0; i < @NAME@_OUTPUTS; i++) {
            (void)printf("%" PRId32 "%c", output[i], i + 1 < @NAME@_OUTPUTS ? ' ' : '\n');
        }
    }
}
