/* What a tokenizer is made of; for the files that open it and run it. */
#ifndef FERRY_INPUT_TOKENIZER_PARTS_H
#define FERRY_INPUT_TOKENIZER_PARTS_H

#include <cJSON.h>

#include "input/added_tokens.h"
#include "input/bert_normalizer.h"
#include "input/bpe.h"
#include "input/byte_level.h"
#include "input/text_normalizer.h"
#include "input/tokenizer.h"
#include "input/unigram.h"
#include "input/wordpiece.h"

typedef enum ferry_tokenizer_kind {
    FERRY_TOKENIZER_WORDPIECE, /* normalizer, model */
    FERRY_TOKENIZER_UNIGRAM,   /* text_normalizer, unigram */
    FERRY_TOKENIZER_BPE        /* text_normalizer, splits, bpe */
} ferry_tokenizer_kind;

struct ferry_tokenizer {
    ferry_allocator allocator;
    ferry_arena arena; /* of before and after, of a Unigram's scores and map, of BPE's merges */
    ferry_tokenizer_kind kind;
    ferry_bert_normalizer normalizer;
    ferry_bert_normalizer plain; /* for text that is normalised already: it only splits */
    ferry_text_normalizer text_normalizer;
    ferry_trie pieces; /* text -> id, of any model; BPE's is dropped once it is read */
    ferry_wordpiece model;
    ferry_unigram unigram;
    ferry_byte_split split, word_split; /* of the text; of each part, to which then may be put … */
    bool prefix_space;                  /* … a space in front, unless it has one */
    ferry_bpe bpe;
    ferry_added_set raw;        /* sought in the text as it is */
    ferry_added_set normalized; /* sought in what the normalizer made of it */
    int32_t *before, *after;    /* [before_count], [after_count] special tokens */
    size_t before_count, after_count;
    size_t vocab_size;

    /* scratch, kept from call to call */
    char *word; /* [ferry_bert_word_capacity(model.max_chars)] of WordPiece */
    ferry_buffer unigram_word, steps;
    ferry_buffer part, symbols, queue; /* of BPE */
    ferry_buffer text, normalized_text, codes;
};

enum { FERRY_TOKENIZER_MAX_WORD = 1 << 16 }; /* max_input_chars_per_word */

/*
 * Each fills kind and what it says there, and raw, normalized, before, after and vocab_size of a
 * zeroed tokenizer with allocator and arena in place. On failure ferry_tokenizer_close cleans up.
 */
ferry_status ferry_tokenizer_read_json(ferry_tokenizer *tokenizer, const ferry_file *json,
                                       ferry_error *error);
ferry_status ferry_tokenizer_read_vocab(ferry_tokenizer *tokenizer, const ferry_file *vocab,
                                        const ferry_file *config, ferry_error *error);

/* The text of model.vocab in a tokenizer.json that is valid JSON; false if it is no list. */
bool ferry_tokenizer_find_list(const ferry_file *json, ferry_text *out);
/* Of a tokenizer.json whose model is Unigram: model, normalizer and pre_tokenizer. root lacks the
 * pieces, which vocab has. */
ferry_status ferry_tokenizer_read_unigram(ferry_tokenizer *tokenizer, const ferry_file *json,
                                          const cJSON *root, ferry_text vocab, ferry_error *error);
/* The same of one whose model is BPE. */
ferry_status ferry_tokenizer_read_bpe(ferry_tokenizer *tokenizer, const ferry_file *json,
                                      const cJSON *root, ferry_error *error);
/* text_normalizer from a normalizer, which may be NULL. */
ferry_status ferry_tokenizer_read_text_normalizer(ferry_tokenizer *tokenizer,
                                                  const ferry_file *json, const cJSON *part,
                                                  ferry_error *error);
/* One of its steps; false if it is none that is known, or not in this order. */
bool ferry_tokenizer_read_text_step(const cJSON *step, ferry_text_normalizer *out);
/* Builds pieces from the model's vocab, {"token": id…}. */
ferry_status ferry_tokenizer_read_pieces(ferry_tokenizer *tokenizer, const ferry_file *json,
                                         const cJSON *model, ferry_error *error);

/* ---- steps they have in common ---- */

/* Whether a part of tokenizer.json is of that type; it may be NULL. */
bool ferry_tokenizer_is_type(const cJSON *part, const char *type);
/* UNSUPPORTED: a part, which may be NULL, is of no kind that is known. */
ferry_status ferry_tokenizer_refuse(const ferry_file *json, const char *field, const cJSON *part,
                                    ferry_error *error);

/* Builds pieces; what as in ferry_trie_build. */
ferry_status ferry_tokenizer_set_pieces(ferry_tokenizer *tokenizer, ferry_trie_entry *entries,
                                        size_t count, bool keep_last, const char *what,
                                        ferry_error *error);
/* Points model to pieces; prefix begins those inside a word. */
void ferry_tokenizer_set_wordpiece(ferry_tokenizer *tokenizer, const char *prefix);
/* Id of a piece, or -1. */
int32_t ferry_tokenizer_piece(const ferry_tokenizer *tokenizer, ferry_text content);
/* What the normalizer makes of a text, appended. false without memory. */
bool ferry_tokenizer_normalize(ferry_tokenizer *tokenizer, const char *text, size_t size,
                               ferry_buffer *out);
/* Checks the tokens' ids against the pieces and builds raw and normalized. */
ferry_status ferry_tokenizer_set_added(ferry_tokenizer *tokenizer, const ferry_added_token *tokens,
                                       size_t count, const char *name, ferry_error *error);
/* content and flags of an object as tokenizer.json and tokenizer_config.json have it; id is -1. The
 * content belongs to the tree. */
ferry_status ferry_tokenizer_read_added(const cJSON *object, const char *name,
                                        ferry_added_token *out, ferry_error *error);
/* Special tokens around the text. Copies. */
ferry_status ferry_tokenizer_set_frame(ferry_tokenizer *tokenizer, const int32_t *before,
                                       size_t before_count, const int32_t *after,
                                       size_t after_count, ferry_error *error);
/* An id below INT32_MAX that vocab_size then covers. false if value is none. */
bool ferry_tokenizer_take_id(ferry_tokenizer *tokenizer, double value, int32_t *id);

#endif
