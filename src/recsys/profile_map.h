/*
 * A learned map from a person's profile in other domains to the items of one: of profile p [N],
 *   query q = p + (p A) B + offset,   logit_i = scale q·z_i + prior_weight prior_i
 * with A [N, R], B [R, N] of low rank. train/profile_map.h learns it; it holds nobody's history.
 */
#ifndef FERRY_RECSYS_PROFILE_MAP_H
#define FERRY_RECSYS_PROFILE_MAP_H

#include <stddef.h>

/* All parameters are one block: A [N, R], B [R, N], offset [N], scale, prior_weight. */
typedef struct ferry_profile_map {
    size_t N, R;
    float *block; /* [ferry_profile_map_size] */
} ferry_profile_map;

static inline size_t ferry_profile_map_size(size_t N, size_t R)
{
    return 2 * N * R + N + 2;
}

/* query [N] of profile [N]; logits are then scale query·z + prior_weight prior. */
void ferry_profile_map_query(const ferry_profile_map *map, const float *profile, float *query);
float ferry_profile_map_scale(const ferry_profile_map *map);
float ferry_profile_map_prior_weight(const ferry_profile_map *map);

#endif
