/* Which kernels this machine runs. */
#include <string.h>

#include "base/error.h"
#include "math/kernels.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

enum { MAX_VARIANTS = 8 };

#if defined(__aarch64__)
/* NEON is always there; its dot products came with ARMv8.2. */
static bool has_dot_products(void)
{
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
    return true; /* Apple's */
#endif
}
#endif

size_t ferry_kernels_available(const ferry_kernels **out, size_t capacity)
{
    size_t count = 0;
#define FERRY_KERNEL_VARIANT(variant, condition)                     \
    if (condition) {                                                 \
        if (count < capacity) out[count] = &ferry_kernels_##variant; \
        count++;                                                     \
    }
#include "math/kernels.def"
    return count;
}

ferry_status ferry_kernels_choose(const char *wanted, const ferry_kernels **out, ferry_error *error)
{
    const ferry_kernels *available[MAX_VARIANTS];
    size_t count = ferry_kernels_available(available, MAX_VARIANTS);
    *out = available[count - 1];
    if (wanted == NULL || strcmp(wanted, "auto") == 0) return FERRY_OK;

    char names[128] = "";
    for (size_t i = 0; i < count; i++) {
        *out = available[i];
        if (strcmp(wanted, available[i]->name) == 0) return FERRY_OK;
        strncat(names, " ", sizeof names - strlen(names) - 1);
        strncat(names, available[i]->name, sizeof names - strlen(names) - 1);
    }
    *out = NULL;
    return ferry_fail(error, FERRY_UNSUPPORTED, "kernels \"%s\" do not run here; available: auto%s",
                      wanted, names);
}

/* Whether a fast variant is the one of `wanted`. Wasm has none to ask about. */
__attribute__((unused)) static bool is_fast_of(const char *name, const char *wanted)
{
    size_t size = strlen(wanted);
    return strncmp(name, wanted, size) == 0 && strcmp(name + size, "_fast") == 0;
}

ferry_status ferry_kernels_choose_fast(const char *wanted, const ferry_kernels **out,
                                       ferry_error *error)
{
    bool any = wanted == NULL || strcmp(wanted, "auto") == 0;
    *out = NULL;
#define FERRY_KERNEL_FAST_VARIANT(variant, condition) \
    if ((any || is_fast_of(#variant, wanted)) && (condition)) *out = &ferry_kernels_##variant;
#include "math/kernels.def"
    if (*out != NULL) return FERRY_OK;
    return ferry_fail(error, FERRY_UNSUPPORTED,
                      "fast numerics: no fused multiply-add here with kernels \"%s\"",
                      any ? "auto" : wanted);
}

ferry_status ferry_kernels_name(const char *wanted, const char **out, ferry_error *error)
{
    const ferry_kernels *kernels;
    *out = NULL;
    FERRY_TRY(ferry_kernels_choose(wanted, &kernels, error));
    *out = kernels->name;
    return FERRY_OK;
}
