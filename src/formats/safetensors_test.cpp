#include "formats/safetensors.h"

#include "formats/safetensors_writer.h"
#include "formats/test_bytes.h"

#include <gtest/gtest.h>

#include <set>
#include <tuple>

namespace hadal {
namespace {

// length + header + data, whatever they claim
std::vector<std::byte> image_of(const std::string& header, std::size_t n_data) {
  const std::uint64_t length = header.size();
  std::vector<std::byte> image(sizeof(length));
  std::memcpy(image.data(), &length, sizeof(length));
  const auto text = test::to_bytes(header);
  image.insert(image.end(), text.begin(), text.end());
  const auto data = test::pattern(0, n_data);
  image.insert(image.end(), data.begin(), data.end());
  return image;
}

std::string refusal_of(std::span<const std::byte> image) {
  const auto view = SafetensorsView::parse(image, "x.safetensors");
  EXPECT_FALSE(view);
  return view ? std::string() : view.error().message;
}

TEST(Safetensors, reads_a_file_made_by_hand) {
  const auto image =
      image_of(R"({"__metadata__":{"k":"v"},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},)"
               R"("a":{"dtype":"I8","shape":[2,2],"data_offsets":[0,4]}}  )",
               12);
  const auto view = SafetensorsView::parse(image, "x.safetensors");
  ASSERT_TRUE(view) << view.error().message;
  ASSERT_EQ(view->tensors().size(), 2U);
  const SafetensorsTensor& first = view->tensors()[0];
  EXPECT_EQ(first.name, "a");
  EXPECT_EQ(first.dtype, DType::i8);
  EXPECT_EQ(first.shape, (std::vector<std::uint64_t>{2, 2}));
  EXPECT_EQ(first.data.data(), image.data() + image.size() - 12);
  EXPECT_EQ(first.data.size(), 4U);
  EXPECT_EQ(view->find("b"), &view->tensors()[1]);
  EXPECT_EQ(view->find("b")->n_elements(), 2U);
  EXPECT_EQ(view->find("c"), nullptr);
  EXPECT_EQ(view->metadata().at("k"), "v");
}

TEST(Safetensors, an_empty_header_is_a_file_without_tensors) {
  EXPECT_TRUE(SafetensorsView::parse(image_of("{}", 0), "x")->tensors().empty());
}

TEST(Safetensors, types_we_cannot_compute_with_are_listed_and_refused_on_use) {
  const auto image = image_of(
      R"({"m":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]},"n":{"dtype":"NEW","shape":[9],"data_offsets":[3,4]}})",
      4);
  const auto view = SafetensorsView::parse(image, "x.safetensors");
  ASSERT_TRUE(view) << view.error().message;
  EXPECT_EQ(view->find("m")->dtype, std::nullopt);
  const auto usable = require_usable(*view->find("n"), "x.safetensors");
  ASSERT_FALSE(usable);
  EXPECT_EQ(usable.error().code, ErrorCode::unsupported);
  EXPECT_EQ(usable.error().message,
            "x.safetensors: tensor 'n': element type 'NEW' is not supported");
}

TEST(Safetensors, misaligned_data_is_refused_on_use) {
  const auto image = image_of(
      R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]},)"
      R"("c":{"dtype":"F32","shape":[1],"data_offsets":[5,9]}})",
      9);
  const auto view = SafetensorsView::parse(image, "x.safetensors");
  ASSERT_TRUE(view) << view.error().message;
  for (const auto& tensor : view->tensors()) {
    const bool aligned =
        tensor.name == "a" || reinterpret_cast<std::uintptr_t>(tensor.data.data()) % 4 == 0;
    EXPECT_EQ(require_usable(tensor, "x").has_value(), aligned) << tensor.name;
  }
}

TEST(Safetensors, hostile_headers_are_refused_by_name) {
  const auto tensor = [](const std::string& fields) { return "{\"a\":{" + fields + "}}"; };
  const std::tuple<std::string, std::size_t, std::string> cases[] = {
      {"[]", 0, "must begin with '{'"},
      {"{", 0, "not valid JSON"},
      {"{\"a\":1}", 0, "header key 'a': unexpected number"},
      {"{\"a\":[]}", 0, "unexpected '['"},
      {"{\"a\":null}", 0, "unexpected null"},
      {tensor(""), 0, "'shape': is missing"},
      {tensor(R"("dtype":"I8","shape":[1])"), 1, "'data_offsets': is missing"},
      {tensor(R"("dtype":1,"shape":[1],"data_offsets":[0,1])"), 1, "'dtype': unexpected number"},
      {tensor(R"("dtype":"I8","dtype":"I8","shape":[1],"data_offsets":[0,1])"), 1,
       "'dtype': appears twice"},
      {tensor(R"("dtype":"I8","shape":[[1]],"data_offsets":[0,1])"), 1, "unexpected '['"},
      {tensor(R"("dtype":"I8","shape":{},"data_offsets":[0,1])"), 1, "unexpected '{'"},
      {tensor(R"("dtype":"I8","shape":[-1],"data_offsets":[0,1])"), 1, "negative"},
      {tensor(R"("dtype":"I8","shape":[1.0],"data_offsets":[0,1])"), 1, "whole number"},
      {tensor(R"("dtype":"I8","shape":[18446744073709551616],"data_offsets":[0,1])"), 1,
       "whole number"},
      {tensor(R"("dtype":"I8","shape":[1],"data_offsets":[0])"), 1, "expected 2 numbers"},
      {tensor(R"("dtype":"I8","shape":[1],"data_offsets":[0,1,2])"), 1, "expected 2 numbers"},
      {tensor(R"("dtype":"I8","shape":[1],"data_offsets":[0,1],"x":1)"), 1,
       "'x': unexpected number"},
      {tensor(R"("dtype":"I8","shape":[1],"data_offsets":[1,0])"), 1, "run backwards"},
      {tensor(R"("dtype":"I8","shape":[2],"data_offsets":[0,2])"), 1,
       "data ends at byte 2 of the data area, the file has 1"},
      {tensor(R"("dtype":"I8","shape":[1],"data_offsets":[0,18446744073709551615])"), 1,
       "data ends at byte"},
      {tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,1])"), 1,
       "shape [1] of F32 does not fit its 1 bytes"},
      {tensor(R"("dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4])"), 4,
       "does not fit"},
      {tensor(R"("dtype":"I64","shape":[2305843009213693952],"data_offsets":[0,0])"), 0,
       "does not fit"},
      {tensor(R"("dtype":"I8","shape":[4294967296,4294967296],"data_offsets":[0,0])"), 0,
       "overflows"},
      {tensor(R"("dtype":"I8","shape":[1],"data_offsets":[1,2])"), 2, "there is a hole before it"},
      {tensor(R"("dtype":"I8","shape":[1],"data_offsets":[0,1])"), 2,
       "1 bytes follow the last tensor"},
      {R"({"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"I8","shape":[2],"data_offsets":[1,3]}})",
       3, "overlaps"},
      {R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"I8","shape":[1],"data_offsets":[1,2]}})",
       2, "'a' appears twice"},
      {R"({"__metadata__":{"k":1}})", 0, "unexpected number"},
      {R"({"__metadata__":{"k":"a","k":"b"}})", 0, "twice"},
      {R"({"__metadata__":{},"__metadata__":{}})", 0, "twice"},
      {"{\"\xff\":{}}", 0, "not valid JSON"},
      {"{} x", 0, "not valid JSON"},
      {"{\"a\":" + std::string(1'000'000, '['), 0, "unexpected '['"},
      {R"({"a":{"dtype":"I8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})",
       1, "at most 16 dimensions"},
  };
  for (const auto& [header, n_data, expected] : cases) {
    const std::string message = refusal_of(image_of(header, n_data));
    EXPECT_NE(message.find(expected), std::string::npos)
        << header.substr(0, 200) << "\n  " << message;
    EXPECT_TRUE(message.starts_with("x.safetensors: ")) << message;
  }
}

TEST(Safetensors, header_length_is_checked_against_file_and_format) {
  EXPECT_NE(refusal_of({}).find("file has 0 bytes"), std::string::npos);
  auto image = image_of("{}", 0);
  image[0] = std::byte{3};
  EXPECT_NE(refusal_of(image).find("header needs 11 bytes, the file has 10"), std::string::npos);
  std::fill(image.begin(), image.begin() + 8, std::byte{0xFF});
  EXPECT_NE(refusal_of(image).find("expected at most 100000000"), std::string::npos);
}

TEST(Safetensors, control_bytes_of_names_do_not_reach_the_terminal) {
  const std::string message =
      refusal_of(image_of(R"({"\u001b[31m":{"dtype":"I8","shape":[1],"data_offsets":[0,0]}})", 0));
  EXPECT_NE(message.find("'\\x1b[31m'"), std::string::npos) << message;
}

class SafetensorsDamage : public testing::Test {
 protected:
  void SetUp() override {
    SafetensorsWriter writer;
    ASSERT_TRUE(writer.declare("w", DType::bf16, {2, 3}));
    ASSERT_TRUE(writer.declare("s", DType::f32, {2}));
    ASSERT_TRUE(writer.declare("e", DType::i8, {0}));
    image_ = *writer.write_to_memory([](std::size_t t, TensorSink& sink) {
      return sink.write(test::pattern(t, t == 0 ? 12 : t == 1 ? 8 : 0));
    });
  }
  std::vector<std::byte> image_;
};

TEST_F(SafetensorsDamage, every_truncation_is_an_error) {
  test::for_each_truncation(image_, [](std::span<const std::byte> cut, std::size_t length) {
    EXPECT_FALSE(SafetensorsView::parse(cut, "cut")) << length;
  });
}

TEST_F(SafetensorsDamage, every_bit_flip_is_an_error_or_a_consistent_file) {
  std::size_t n_accepted = 0;
  test::for_each_bit_flip(
      image_, image_.size() - 20, [&](std::span<const std::byte> damaged, std::size_t bit) {
        const auto view = SafetensorsView::parse(damaged, "flip");
        if (!view) return;
        ++n_accepted;
        std::size_t n_bytes = 0;
        for (const auto& tensor : view->tensors()) {
          EXPECT_TRUE(test::inside(tensor.data, damaged)) << bit;
          EXPECT_EQ(view->find(tensor.name), &tensor);
          if (tensor.dtype) {
            EXPECT_EQ(tensor.data.size(), bytes_of(*tensor.dtype, tensor.n_elements())) << bit;
          }
          n_bytes += tensor.data.size();
        }
        EXPECT_EQ(n_bytes, 20U) << bit;
      });
  EXPECT_GT(n_accepted, 0U);  // a flip inside a name is a good file with another name
}

class SafetensorsFiles : public testing::Test {
 protected:
  // Four tensors of 16 bytes in shards of at most `max_shard_bytes`.
  std::vector<std::filesystem::path> write_model(std::uint64_t max_shard_bytes) {
    SafetensorsWriter writer({.max_shard_bytes = max_shard_bytes, .metadata = {}});
    for (const char* name : {"a", "b", "c", "d"})
      EXPECT_TRUE(writer.declare(name, DType::f32, {2, 2}));
    const auto written =
        writer.write(directory(), [](std::size_t t, TensorSink& sink) -> Result<void> {
          const auto bytes = test::pattern(t, 16);
          HADAL_TRY(sink.write(std::span(bytes).first(5)));  // in pieces
          return sink.write(std::span(bytes).subspan(5));
        });
    EXPECT_TRUE(written) << written.error().message;
    return *written;
  }
  std::filesystem::path directory() const { return scratch_.path() / "model"; }
  std::filesystem::path index() const { return directory() / "model.safetensors.index.json"; }
  std::string open_error() const {
    const auto opened = SafetensorsDirectory::open(directory());
    EXPECT_FALSE(opened);
    return opened ? std::string() : opened.error().message;
  }

  TemporaryDirectory scratch_;
};

TEST_F(SafetensorsFiles, a_model_that_fits_is_one_file) {
  EXPECT_EQ(write_model(64), (std::vector{directory() / "model.safetensors"}));
  const auto opened = SafetensorsDirectory::open(directory());
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->n_tensors(), 4U);
  EXPECT_EQ(opened->n_bytes(), 64U);
}

TEST_F(SafetensorsFiles, shards_are_joined_through_the_index) {
  EXPECT_EQ(write_model(32),
            (std::vector{directory() / "model-00001-of-00002.safetensors",
                         directory() / "model-00002-of-00002.safetensors", index()}));
  auto opened = SafetensorsDirectory::open(directory());
  ASSERT_TRUE(opened) << opened.error().message;
  const SafetensorsDirectory moved = std::move(*opened);  // views survive a move
  EXPECT_EQ(moved.files().size(), 2U);
  for (std::size_t t = 0; t < 4; ++t) {
    const SafetensorsTensor* tensor = moved.find(std::string(1, static_cast<char>('a' + t)));
    ASSERT_NE(tensor, nullptr);
    EXPECT_TRUE(test::has_pattern(tensor->data, t));
    EXPECT_TRUE(require_usable(*tensor, "x"));
  }
  EXPECT_EQ(moved.find("e"), nullptr);
}

TEST_F(SafetensorsFiles, a_tensor_larger_than_a_shard_gets_its_own) {
  EXPECT_EQ(write_model(1).size(), 5U);
  EXPECT_TRUE(SafetensorsDirectory::open(directory()));
}

TEST_F(SafetensorsFiles, without_index_all_files_are_read) {
  write_model(32);
  std::filesystem::remove(index());
  EXPECT_EQ(SafetensorsDirectory::open(directory())->n_tensors(), 4U);
}

TEST_F(SafetensorsFiles, a_missing_shard_is_named) {
  write_model(32);
  std::filesystem::remove(directory() / "model-00002-of-00002.safetensors");
  EXPECT_NE(open_error().find("shard 'model-00002-of-00002.safetensors' is missing"),
            std::string::npos)
      << open_error();
}

TEST_F(SafetensorsFiles, a_shard_that_lacks_its_tensor_is_named) {
  write_model(32);
  test::write_file(index(), R"({"weight_map":{"a":"model-00002-of-00002.safetensors"}})");
  EXPECT_NE(open_error().find("tensor 'a' should be in shard 'model-00002-of-00002.safetensors'"),
            std::string::npos)
      << open_error();
}

TEST_F(SafetensorsFiles, one_name_in_two_files_is_refused) {
  write_model(32);
  std::filesystem::remove(index());
  std::filesystem::copy(directory() / "model-00001-of-00002.safetensors",
                        directory() / "again.safetensors");
  EXPECT_NE(open_error().find("already in another file"), std::string::npos) << open_error();
}

TEST_F(SafetensorsFiles, shard_names_cannot_leave_the_directory) {
  write_model(64);
  std::filesystem::rename(directory() / "model.safetensors",
                          scratch_.path() / "outside.safetensors");
  for (const char* name : {"../outside.safetensors", "/etc/passwd", "x/../../outside.safetensors",
                           "..\\\\outside.safetensors", "..", ".safetensors", "", "outside.txt",
                           "a\\u0000.safetensors"}) {
    test::write_file(index(), std::string(R"({"weight_map":{"a":")") + name + "\"}}");
    EXPECT_NE(open_error().find("weight_map key 'a': expected the name of a .safetensors file"),
              std::string::npos)
        << open_error();
  }
}

TEST_F(SafetensorsFiles, a_bad_index_is_refused) {
  write_model(64);
  for (const char* text : {"", "[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{}})",
                           R"({"weight_map":{"a":1}})", "{\"weight_map\":"}) {
    test::write_file(index(), text);
    EXPECT_NE(open_error().find("model.safetensors.index.json"), std::string::npos) << open_error();
  }
}

TEST_F(SafetensorsFiles, a_directory_without_weights_says_what_was_expected) {
  EXPECT_NE(open_error().find("not a directory"), std::string::npos);
  std::filesystem::create_directories(directory());
  EXPECT_NE(open_error().find("holds no .safetensors file"), std::string::npos);
}

TEST_F(SafetensorsFiles, a_single_file_is_not_written_beside_a_foreign_index) {
  write_model(32);
  SafetensorsWriter writer;
  const auto written =
      writer.write(directory(), [](std::size_t, TensorSink&) { return Result<void>(); });
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().message.find("choose an empty directory"), std::string::npos);
}

TEST_F(SafetensorsFiles, a_failed_write_leaves_nothing_behind) {
  SafetensorsWriter writer;
  ASSERT_TRUE(writer.declare("a", DType::f32, {2}));
  const auto n_written = [](std::size_t n) {
    return [n](std::size_t, TensorSink& sink) { return sink.write(test::pattern(0, n)); };
  };
  EXPECT_NE(writer.write(directory(), n_written(7))
                .error()
                .message.find("wrote 7 bytes, declared were 8"),
            std::string::npos);
  EXPECT_NE(
      writer.write(directory(), n_written(9)).error().message.find("more than the declared 8"),
      std::string::npos);
  EXPECT_TRUE(std::filesystem::is_empty(directory()));
  EXPECT_EQ(writer.write("/proc/none", n_written(8)).error().code, ErrorCode::io_error);
}

TEST(SafetensorsWriter, wrong_declarations_are_refused) {
  SafetensorsWriter writer;
  EXPECT_TRUE(writer.declare("a", DType::f32, {2}));
  EXPECT_FALSE(writer.declare("a", DType::f32, {2}));
  EXPECT_FALSE(writer.declare("", DType::f32, {2}));
  EXPECT_FALSE(writer.declare("__metadata__", DType::f32, {2}));
  EXPECT_FALSE(writer.declare("\xff", DType::f32, {2}));
  EXPECT_FALSE(writer.declare("q", DType::q8_0, {32}));
  EXPECT_FALSE(writer.declare("o", DType::f32, {1ULL << 62}));
  EXPECT_FALSE(writer.declare("p", DType::i8, {1ULL << 32, 1ULL << 32}));
}

TEST(SafetensorsWriter, every_tensor_is_aligned_for_its_type) {
  SafetensorsWriter writer;
  const DType types[] = {DType::u8,  DType::bf16, DType::i64, DType::f8_e4m3,
                         DType::f32, DType::f16,  DType::i32};
  for (const DType type : types)
    ASSERT_TRUE(writer.declare(std::string(info(type).name), type, {3}));
  const auto image = writer.write_to_memory([&](std::size_t t, TensorSink& sink) {
    return sink.write(test::pattern(t, bytes_of(types[t], 3)));
  });
  ASSERT_TRUE(image);
  const auto view = SafetensorsView::parse(*image, "x");
  ASSERT_TRUE(view) << view.error().message;
  for (std::size_t t = 0; t < std::size(types); ++t) {
    const SafetensorsTensor* tensor = view->find(info(types[t]).name);
    ASSERT_NE(tensor, nullptr);
    EXPECT_EQ((tensor->data.data() - image->data()) %
                  static_cast<std::ptrdiff_t>(info(types[t]).block_bytes),
              0);
    EXPECT_TRUE(test::has_pattern(tensor->data, t));
  }
}

}  // namespace
}  // namespace hadal
