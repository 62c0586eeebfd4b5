#include "math/int4.h"

#include "base/half.h"

void ferry_int4_row(const uint8_t *q, const unsigned char *scale, size_t K, float *out)
{
    enum { HALF = FERRY_INT4_GROUP / 2 };
    for (size_t k = 0; k < K; k += FERRY_INT4_GROUP, q += HALF, scale += 2) {
        float step = ferry_half((uint16_t)(scale[0] | scale[1] << 8));
        for (size_t j = 0; j < HALF; j++) {
            out[k + j] = (float)((int)(q[j] & 15) - 8) * step;
            out[k + HALF + j] = (float)((int)(q[j] >> 4) - 8) * step;
        }
    }
}
