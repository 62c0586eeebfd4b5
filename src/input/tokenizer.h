/*
 * Text to token ids, identical to Hugging Face `tokenizers`: the BERT family (BertNormalizer,
 * BertPreTokenizer, WordPiece), SentencePiece's Unigram (Precompiled, Metaspace, and SigLIP's steps
 * before them) and byte-level BPE (CLIP's, GPT-2's, RoBERTa's), with TemplateProcessing,
 * BertProcessing or RobertaProcessing, and added tokens. docs/languages.md says where Unigram
 * follows SentencePiece itself.
 */
#ifndef FERRY_INPUT_TOKENIZER_H
#define FERRY_INPUT_TOKENIZER_H

#include "ferry/ferry.h"

typedef struct ferry_tokenizer ferry_tokenizer;

/*
 * From tokenizer.json, whose truncation and padding are not used, or where json is NULL from
 * vocab.txt and tokenizer_config.json (may be NULL: an uncased BERT). Borrows nothing after return.
 * UNSUPPORTED names a normalizer, pre-tokenizer, model or post-processor of another kind.
 */
ferry_status ferry_tokenizer_open(const ferry_allocator *allocator, const ferry_file *json,
                                  const ferry_file *vocab, const ferry_file *config,
                                  ferry_tokenizer **out, ferry_error *error);
void ferry_tokenizer_close(ferry_tokenizer *tokenizer);

/*
 * At most max_length ids, special tokens included, into ids [max_length]; *count is how many. A
 * longer text is cut on its right, special tokens stay; INVALID_ARGUMENT if not even those fit.
 * Uses scratch memory of the tokenizer: one thread at a time.
 */
ferry_status ferry_tokenizer_encode(ferry_tokenizer *tokenizer, const char *text, size_t size,
                                    size_t max_length, int32_t *ids, size_t *count,
                                    ferry_error *error);

/* One more than the largest id it can give. */
size_t ferry_tokenizer_vocab_size(const ferry_tokenizer *tokenizer);

#endif
