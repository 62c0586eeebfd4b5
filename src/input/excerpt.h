/* Text from a file that is not trusted, made fit for a message. */
#ifndef FERRY_INPUT_EXCERPT_H
#define FERRY_INPUT_EXCERPT_H

#include <stddef.h>

enum { FERRY_EXCERPT_SIZE = 100 };

/*
 * Writes at most FERRY_EXCERPT_SIZE - 1 bytes of text (UTF-8) and a NUL to out and returns out. Cut
 * between code points, with "..." if cut; control characters become '?', so that a message stays
 * one line and does not steer a terminal.
 */
const char *ferry_excerpt(const char *text, size_t size, char out[FERRY_EXCERPT_SIZE]);

#endif
