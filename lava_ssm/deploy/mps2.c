/* Start of a program on the boards mps2-an386 (Cortex-M4) and mps2-an500 (Cortex-M7). */
#include <stdint.h>

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];
extern void initialise_monitor_handles(void);
extern void exit(int status) __attribute__((noreturn));
int main(void);

/* What the C library calls, and this start does without. */
void _init(void);
void _fini(void);

void _init(void)
{
}

void _fini(void)
{
}

void reset(void)
{
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* the floating point unit, for printf */
    for (uint32_t *from = data_load, *to = data_start; to < data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = bss_start; to < bss_end;) {
        *to++ = 0;
    }
    initialise_monitor_handles();
    exit(main());
}

static void fault(void)
{
    exit(99);
}

__attribute__((section(".vectors"), used)) static void (*const vectors[])(void) = {
    (void (*)(void))(uintptr_t)stack_top, reset, fault, fault, fault, fault, fault,
};
