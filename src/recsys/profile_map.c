#include "recsys/profile_map.h"

static const float *map_b(const ferry_profile_map *map)
{
    return map->block + map->N * map->R;
}

static const float *map_offset(const ferry_profile_map *map)
{
    return map->block + 2 * map->N * map->R;
}

float ferry_profile_map_scale(const ferry_profile_map *map)
{
    return map_offset(map)[map->N];
}

float ferry_profile_map_prior_weight(const ferry_profile_map *map)
{
    return map_offset(map)[map->N + 1];
}

void ferry_profile_map_query(const ferry_profile_map *map, const float *profile, float *query)
{
    size_t N = map->N, R = map->R;
    const float *offset = map_offset(map);
    for (size_t n = 0; n < N; n++) query[n] = profile[n] + offset[n];
    for (size_t r = 0; r < R; r++) {
        float inner = 0.0f;
        for (size_t n = 0; n < N; n++) inner = inner + profile[n] * map->block[n * R + r];
        const float *row = map_b(map) + r * N;
        for (size_t n = 0; n < N; n++) query[n] = query[n] + inner * row[n];
    }
}
