#include "protocol/native.h"

#include "protocol/api_error.h"
#include "protocol/field.h"
#include "protocol/models.h"
#include "protocol/sse.h"

#include <gtest/gtest.h>

namespace hadal {

TEST(TokenizeRequest, ReadsItsFieldsAndNamesWrongOnes) {
  const auto request = parse_tokenize_request(R"({"content": "a", "with_pieces": true})");
  const auto wrong = parse_tokenize_request(R"({"content": 1})");
  const auto ids = parse_detokenize_request(R"({"tokens": [1, 2.0]})");
  const auto wrong_ids = parse_detokenize_request(R"({"tokens": [1, -2]})");

  ASSERT_TRUE(request.has_value());
  EXPECT_TRUE(request->with_pieces && request->parse_special && !request->add_special);
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().message, "content: expected a string, found the number 1");
  ASSERT_TRUE(ids.has_value());
  EXPECT_EQ(*ids, (std::vector<std::int32_t>{1, 2}));
  ASSERT_FALSE(wrong_ids.has_value());
  EXPECT_EQ(field_of(wrong_ids.error()), "tokens[1]");
}

TEST(NativeBodies, SayWhatLlamaCppSays) {
  EXPECT_EQ(tokenize_body({1, 2}, {}), R"({"tokens":[1,2]})");
  EXPECT_EQ(tokenize_body({1, 2}, {"a", "\xC3"}),
            R"({"tokens":[{"id":1,"piece":"a"},{"id":2,"piece":[195]}]})");
  EXPECT_EQ(detokenize_body("a\xFF"), "{\"content\":\"a\uFFFD\"}");
  EXPECT_EQ(count_tokens_body(7), R"({"input_tokens":7})");
  EXPECT_EQ(
      input_items_body({R"({"id": "a"})", R"({"id": "b"})"}, false),
      R"({"object":"list","data":[{"id":"a"},{"id":"b"}],"first_id":"a","last_id":"b","has_more":false})");
  EXPECT_EQ(input_items_body({}, false),
            R"({"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false})");
}

TEST(Models, ServeBothFamiliesOfClients) {
  EXPECT_EQ(
      models_body({{.id = "m", .created_seconds = 1700000000, .context = 32, .train_context = 64}}),
      R"({"object":"list","data":[{"id":"m","object":"model","created":1700000000,"owned_by":"hadal",)"
      R"("context_length":32,"max_model_len":32,"meta":{"n_ctx_train":64},"type":"model",)"
      R"("display_name":"m","created_at":"2023-11-14T22:13:20Z","max_input_tokens":32,)"
      R"("lifecycle":"active"}],"has_more":false,"first_id":"m","last_id":"m"})");
}

TEST(ApiErrors, FollowHadalsCodes) {
  const auto kind = [](ErrorCode code) { return api_error({code, "a.b[0]: why"}).kind; };

  EXPECT_EQ(kind(ErrorCode::invalid_argument), ApiError::Kind::invalid_request);
  EXPECT_EQ(kind(ErrorCode::bad_format), ApiError::Kind::invalid_request);
  EXPECT_EQ(kind(ErrorCode::unsupported), ApiError::Kind::invalid_request);
  EXPECT_EQ(kind(ErrorCode::not_found), ApiError::Kind::not_found);
  EXPECT_EQ(kind(ErrorCode::out_of_memory), ApiError::Kind::overloaded);
  EXPECT_EQ(kind(ErrorCode::io_error), ApiError::Kind::server_error);
  EXPECT_EQ(api_error({ErrorCode::unsupported, "a.b[0]: why"}).field, "a.b[0]");
  EXPECT_EQ(api_error({ErrorCode::unsupported, "body: why"}).field, "");
  EXPECT_EQ(openai_error_code(context_length_exceeded(9, 8, Protocol::chat)),
            "context_length_exceeded");
  EXPECT_EQ(http_status(context_length_exceeded(9, 8, Protocol::messages), Protocol::messages),
            400);
  EXPECT_EQ(http_status(unknown_model("x"), Protocol::chat), 404);
  EXPECT_EQ(http_status(embeddings_refusal(), Protocol::chat), 501);
  const std::vector<std::pair<std::string, std::string>> wait = {{"Retry-After", "1"}};
  EXPECT_EQ(error_headers(too_many_requests("full", 0)), wait);
}

}  // namespace hadal
