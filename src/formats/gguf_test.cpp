#include "formats/gguf.h"

#include "formats/gguf_writer.h"
#include "formats/test_bytes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace hadal {
namespace {

// A GGUF image built field by field, so that any of them can lie.
class Image {
 public:
  Image& text(std::string_view raw) {
    bytes_.append(raw);
    return *this;
  }
  Image& u32(std::uint32_t value) {
    return text({reinterpret_cast<const char*>(&value), sizeof(value)});
  }
  Image& u64(std::uint64_t value) {
    return text({reinterpret_cast<const char*>(&value), sizeof(value)});
  }
  Image& string(std::string_view s) { return u64(s.size()).text(s); }
  Image& start(std::uint64_t n_tensors, std::uint64_t n_values) {
    return text("GGUF").u32(3).u64(n_tensors).u64(n_values);
  }
  Image& tensor(std::string_view name, std::vector<std::uint64_t> dims, std::uint32_t type,
                std::uint64_t offset) {
    string(name).u32(static_cast<std::uint32_t>(dims.size()));
    for (const std::uint64_t dim : dims) u64(dim);
    return u32(type).u64(offset);
  }
  Image& pad(std::size_t n_data, std::size_t alignment = 32) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment + n_data, '\0');
    return *this;
  }
  std::vector<std::byte> bytes() const { return test::to_bytes(bytes_); }

 private:
  std::string bytes_;
};

std::string message_of(const Image& image) {
  const auto bytes = image.bytes();
  const auto file = GgufFile::parse(bytes, "x.gguf");
  EXPECT_FALSE(file);
  return file ? std::string() : file.error().message;
}

void expect_message(const Image& image, std::string_view expected) {
  const std::string message = message_of(image);
  EXPECT_NE(message.find(expected), std::string::npos) << message;
  EXPECT_TRUE(message.starts_with("x.gguf: ")) << message;
}

GgufWriter sample_writer() {
  GgufWriter writer;
  writer.add_string("general.architecture", "deepseek4");
  writer.add_u32("n", 7);
  writer.add_bool_array("flags", {true, false});
  writer.add_string_array("tokens", std::vector<std::string>{"a", "", "bc"});
  writer.add_f32_array("scores", std::vector<float>{0.5F, -1.0F});
  EXPECT_TRUE(writer.declare("w", DType::q8_0, {32, 2}));
  EXPECT_TRUE(writer.declare("v", DType::f32, {3}));
  return writer;
}

Result<void> sample_data(std::size_t t, TensorSink& sink) {
  return sink.write(test::pattern(t, t == 0 ? 68 : 12));
}

TEST(Gguf, what_is_written_is_read) {
  const auto image = sample_writer().write_to_memory(sample_data);
  ASSERT_TRUE(image) << image.error().message;
  auto parsed = GgufFile::parse(*image, "x.gguf");
  ASSERT_TRUE(parsed) << parsed.error().message;
  const GgufFile file = std::move(*parsed);  // views survive a move
  EXPECT_EQ(file.version(), 3U);
  EXPECT_EQ(file.find_string("general.architecture"), "deepseek4");
  EXPECT_EQ(file.find_bool_array("flags"), (std::vector<bool>{true, false}));
  EXPECT_EQ(*file.find_string_array("tokens"), (std::vector<std::string_view>{"a", "", "bc"}));
  EXPECT_EQ(file.find_f32_array("scores"), (std::vector<float>{0.5F, -1.0F}));
  ASSERT_EQ(file.tensors().size(), 2U);
  const GgufTensor* w = file.find_tensor("w");
  ASSERT_NE(w, nullptr);
  EXPECT_EQ(w->dtype, DType::q8_0);
  EXPECT_EQ(w->dims, (std::vector<std::uint64_t>{32, 2}));
  EXPECT_TRUE(test::has_pattern(w->data, 0));
  const GgufTensor* v = file.find_tensor("v");
  EXPECT_TRUE(test::has_pattern(v->data, 1));
  EXPECT_EQ((v->data.data() - image->data()) % 32, 0);
  EXPECT_EQ(file.find_tensor("x"), nullptr);
}

TEST(Gguf, numbers_widen_and_never_change_value) {
  GgufWriter writer;
  writer.add_u32("u32", 4000000000U);
  writer.add_i32("i32", -5);
  writer.add_i32("positive", 5);
  writer.add_u64("u64", std::numeric_limits<std::uint64_t>::max());
  writer.add_f32("f32", 1.5F);
  writer.add_f64("f64", 1e300);
  writer.add_f64("inf", std::numeric_limits<double>::infinity());
  writer.add_bool("bool", true);
  writer.add_string("string", "1");
  writer.add_i32_array("ints", std::vector<std::int32_t>{1, -1});
  writer.add_u32_array("counts", std::vector<std::uint32_t>{1, 4000000000U});
  const auto image = writer.write_to_memory(sample_data);
  const auto file = GgufFile::parse(*image, "x.gguf");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->find_u32("u32"), 4000000000U);
  EXPECT_EQ(file->find_i64("u32"), 4000000000);
  EXPECT_EQ(file->find_u32("i32"), std::nullopt);
  EXPECT_EQ(file->find_u32("positive"), 5U);
  EXPECT_EQ(file->find_i64("i32"), -5);
  EXPECT_EQ(file->find_u32("u64"), std::nullopt);
  EXPECT_EQ(file->find_i64("u64"), std::nullopt);
  EXPECT_EQ(file->find_u64("u64"), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(file->find_f32("f32"), 1.5F);
  EXPECT_EQ(file->find_f64("f32"), 1.5);
  EXPECT_EQ(file->find_f32("i32"), -5.0F);
  EXPECT_EQ(file->find_u32("f32"), std::nullopt);
  EXPECT_EQ(file->find_f32("f64"), std::nullopt);
  EXPECT_TRUE(std::isinf(*file->find_f32("inf")));
  EXPECT_EQ(file->find_bool("bool"), true);
  EXPECT_EQ(file->find_u32("bool"), std::nullopt);
  EXPECT_EQ(file->find_bool("u32"), std::nullopt);
  EXPECT_EQ(file->find_u32("string"), std::nullopt);
  EXPECT_EQ(file->find_u32("absent"), std::nullopt);
  EXPECT_EQ(file->find_u32_array("ints"), std::nullopt);
  EXPECT_EQ(file->find_i32_array("ints"), (std::vector<std::int32_t>{1, -1}));
  EXPECT_EQ(file->find_i32_array("counts"), std::nullopt);
  EXPECT_EQ(file->find_f32_array("ints"), (std::vector<float>{1.0F, -1.0F}));
  EXPECT_EQ(file->find_string_array("ints"), nullptr);
}

TEST(Gguf, required_keys_tell_missing_from_wrong) {
  const auto image = sample_writer().write_to_memory(sample_data);
  const auto file = GgufFile::parse(*image, "x.gguf");
  EXPECT_EQ(*file->require_u32("n"), 7U);
  EXPECT_EQ(file->require_u32("m").error().message,
            "x.gguf: metadata key 'm' is missing, expected a u32");
  EXPECT_EQ(file->require_u32("m").error().code, ErrorCode::not_found);
  EXPECT_EQ(file->require_string("n").error().message,
            "x.gguf: metadata key 'n': expected a string, found u32 7");
  EXPECT_EQ(file->require_u32_array("tokens").error().message,
            "x.gguf: metadata key 'tokens': expected an array of u32, found an array of 3 string");
  EXPECT_EQ(file->require_string_array("flags").error().code, ErrorCode::bad_format);
  EXPECT_EQ(file->require_bool("n").error().code, ErrorCode::bad_format);
  EXPECT_EQ(file->require_f32_array("flags").error().code, ErrorCode::bad_format);
  EXPECT_EQ(*file->require_f32("n"), 7.0F);
  EXPECT_EQ((*file->require_string_array("tokens"))->size(), 3U);
}

TEST(GgufWriter, carries_values_of_another_file_in_their_types) {
  const auto from = GgufFile::open(std::filesystem::path(HADAL_SOURCE_DIR) /
                                   "tests/golden/formats/python.gguf");  // every type of value
  ASSERT_TRUE(from) << from.error().message;
  GgufWriter writer;
  for (const std::string& key : from->keys()) writer.add_value(key, *from->find(key));
  const auto image =
      writer.write_to_memory([](std::size_t, TensorSink&) { return Result<void>(); });
  ASSERT_TRUE(image) << image.error().message;

  const auto to = GgufFile::parse(*image, "copy.gguf");

  ASSERT_TRUE(to) << to.error().message;
  EXPECT_TRUE(std::ranges::equal(to->keys(), from->keys()));
  for (const std::string& key : from->keys()) {
    const GgufValue& expected = *from->find(key);
    const GgufValue& actual = *to->find(key);
    EXPECT_EQ(actual.type, expected.type) << key;
    const auto* packed = std::get_if<GgufPackedArray>(&expected.data);
    if (packed == nullptr) {
      std::visit(
          [&](const auto& value) {
            using Data = std::decay_t<decltype(value)>;
            if constexpr (!std::is_same_v<Data, GgufPackedArray>) {
              EXPECT_TRUE(std::get<Data>(actual.data) == value) << key;
            }
          },
          expected.data);
    } else {
      const auto& copy = std::get<GgufPackedArray>(actual.data);
      EXPECT_EQ(copy.element, packed->element) << key;
      EXPECT_TRUE(std::ranges::equal(copy.bytes, packed->bytes)) << key;
    }
  }
}

TEST(Gguf, unsupported_tensor_types_are_listed_and_refused_on_use) {
  const auto image = Image()
                         .start(2, 0)
                         .tensor("k", {256}, 21, 0)
                         .tensor("new", {5}, 77, 128)
                         .pad(110 + 18 + 1)
                         .bytes();
  const auto file = GgufFile::parse(image, "x.gguf");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->find_tensor("k")->data.size(), 110U);
  EXPECT_EQ(file->find_tensor("new")->data.size(), 0U);
  const auto refused = require_usable(*file->find_tensor("k"), "x.gguf");
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_NE(refused.error().message.find("IQ3_S is not supported yet"), std::string::npos);
  EXPECT_NE(require_usable(*file->find_tensor("new"), "x.gguf").error().message.find("type 77"),
            std::string::npos);
}

TEST(Gguf, version_2_is_read_and_others_are_refused) {
  EXPECT_TRUE(GgufFile::parse(Image().text("GGUF").u32(2).u64(0).u64(0).bytes(), "x.gguf"));
  expect_message(Image().text("GGUF").u32(1).u64(0).u64(0), "GGUF version 1; expected 2 or 3");
  expect_message(Image().text("GGUF").u32(4).u64(0).u64(0), "GGUF version 4; expected 2 or 3");
  expect_message(Image().text("GGUF").u32(0x03000000).u64(0).u64(0), "a big-endian file");
  expect_message(Image().text("GGJT").u32(3).u64(0).u64(0), "expected 'GGUF', found 'GGJT'");
  expect_message(Image(), "expected 'GGUF', found ''");
}

TEST(Gguf, hostile_counts_and_lengths_are_refused) {
  constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();
  expect_message(Image().start(kHuge, 0), "tensors do not fit into the file");
  expect_message(Image().start(0, kHuge), "metadata entries do not fit into the file");
  expect_message(Image().start(0, 1).u64(kHuge).pad(64), "expected at most 65535 bytes");
  expect_message(Image().start(0, 1).u64(100).pad(64), "needs 100 bytes");
  expect_message(Image().start(0, 1).string("").u32(4).u32(1).pad(0), "a metadata key is empty");
  expect_message(Image().start(0, 1).string("k").u32(8).u64(kHuge), "a metadata string");
  expect_message(Image().start(0, 1).string("k").u32(8).u64(9).text("12345678"),
                 "needs 9 bytes, the file has 8 more");
  expect_message(Image().start(0, 1).string("k").u32(13).u64(0), "type 13 is not in the format");
  expect_message(Image().start(0, 1).string("k").u32(7).text("\x02"),
                 "expected a boolean of 0 or 1, found 2");
  expect_message(Image().start(0, 1).string("k").u32(9).u32(4).u64(kHuge),
                 "does not fit into the file");
  expect_message(Image().start(0, 1).string("k").u32(9).u32(4).u64(3).u64(0),
                 "an array of 3 elements does not fit");
  expect_message(Image().start(0, 1).string("k").u32(9).u32(8).u64(kHuge / 8),
                 "strings does not fit");
  expect_message(Image().start(0, 1).string("k").u32(9).u32(8).u64(1).u64(1), "needs 1 bytes");
  expect_message(Image().start(0, 1).string("k").u32(9).u32(9).u64(1).u64(0),
                 "arrays of array are not supported");
  expect_message(Image().start(0, 1).string("k").u32(9).u32(99).u64(1).u64(0),
                 "arrays of an unknown type");
  expect_message(
      Image().start(0, 1).string("k").u32(9).u32(7).u64(2).text(std::string_view("\x01\x03", 2)),
      "booleans of 0 or 1");
  expect_message(Image().start(0, 2).string("k").u32(4).u32(1).string("k").u32(4).u32(1),
                 "metadata key 'k' appears twice");
}

TEST(Gguf, hostile_tensors_are_refused) {
  expect_message(Image().start(1, 0).tensor("", {4}, 0, 0).pad(16), "a tensor name is empty");
  expect_message(Image().start(1, 0).tensor("t", {1, 1, 1, 1, 1}, 0, 0).pad(16),
                 "expected at most 4 dimensions, found 5");
  expect_message(Image().start(1, 0).tensor("t", {1ULL << 32, 1ULL << 32}, 0, 0).pad(16),
                 "overflow");
  expect_message(Image().start(1, 0).tensor("t", {1ULL << 63}, 0, 0).pad(16), "overflow");
  expect_message(Image().start(1, 0).tensor("t", {33}, 8, 0).pad(99),
                 "first dimension 33 is not a multiple of 32, the block of Q8_0");
  expect_message(Image().start(1, 0).tensor("t", {4}, 0, 16).pad(64),
                 "offset 16 is not a multiple of the alignment 32");
  expect_message(Image().start(1, 0).tensor("t", {4}, 0, 0).pad(15),
                 "needs 16 bytes from byte 0 of the data area, the file has 15");
  expect_message(Image().start(1, 0).tensor("t", {4}, 0, 64).pad(32),
                 "needs 16 bytes from byte 64");
  expect_message(Image().start(1, 0).tensor("t", {4}, 0, ~std::uint64_t{31}).pad(32),
                 "needs 16 bytes from byte");
  expect_message(Image().start(2, 0).tensor("t", {4}, 0, 0).tensor("t", {4}, 0, 32).pad(64),
                 "tensor 't' appears twice");
  expect_message(Image().start(2, 0).tensor("t", {9}, 0, 0).tensor("u", {4}, 0, 32).pad(64),
                 "tensors 't' and 'u' overlap");
  expect_message(Image().start(1, 0).string("t").u32(1).u64(4).u32(0),
                 "the file ends inside a tensor's offset");
}

TEST(Gguf, alignment_follows_its_key) {
  const auto image = [](std::uint32_t alignment) {
    return Image()
        .start(1, 1)
        .string("general.alignment")
        .u32(4)
        .u32(alignment)
        .tensor("t", {1}, 0, 0)
        .pad(4, alignment == 0 ? 32 : alignment);
  };
  for (const std::uint32_t alignment : {8U, 32U, 4096U}) {
    const auto bytes = image(alignment).bytes();
    const auto file = GgufFile::parse(bytes, "x.gguf");
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->find_tensor("t")->data.data() + 4, bytes.data() + bytes.size()) << alignment;
  }
  expect_message(image(0), "general.alignment");
  expect_message(image(4), "general.alignment");
  expect_message(image(24), "general.alignment");
  expect_message(Image().start(0, 1).string("general.alignment").u32(8).string("32"),
                 "general.alignment");
}

TEST(Gguf, every_truncation_is_an_error) {
  const auto image = *sample_writer().write_to_memory(sample_data);
  const std::size_t end_of_data =
      image.size() - 20;  // the last tensor has 12 bytes, the padding may be absent
  test::for_each_truncation(std::span(image).first(end_of_data),
                            [](std::span<const std::byte> cut, std::size_t length) {
                              EXPECT_FALSE(GgufFile::parse(cut, "cut")) << length;
                            });
  EXPECT_TRUE(GgufFile::parse(std::span(image).first(end_of_data), "x.gguf"));
}

TEST(Gguf, every_bit_flip_is_an_error_or_a_consistent_file) {
  const auto image = *sample_writer().write_to_memory(sample_data);
  std::size_t n_accepted = 0;
  test::for_each_bit_flip(
      image, image.size() - 128, [&](std::span<const std::byte> damaged, std::size_t bit) {
        const auto file = GgufFile::parse(damaged, "flip");
        if (!file) return;
        ++n_accepted;
        for (const GgufTensor& tensor : file->tensors()) {
          EXPECT_TRUE(test::inside(tensor.data, damaged)) << bit;
          EXPECT_EQ(file->find_tensor(tensor.name), &tensor);
          std::uint64_t n_elements = 1;
          for (const std::uint64_t dim : tensor.dims) n_elements *= dim;
          if (tensor.dtype) {
            EXPECT_EQ(tensor.data.size(), bytes_of(*tensor.dtype, n_elements)) << bit;
          }
        }
        for (const std::string& key : file->keys()) EXPECT_NE(file->find(key), nullptr);
      });
  EXPECT_GT(n_accepted, 0U);
}

class GgufSplit : public testing::Test {
 protected:
  std::filesystem::path part(int number) const {
    return scratch_.path() / ("m-0000" + std::to_string(number) + "-of-00002.gguf");
  }
  void write_part(int number, std::uint32_t no, std::uint32_t count, const std::string& tensor,
                  std::int32_t total = 2) {
    GgufWriter writer;
    writer.add_u32("split.no", no);
    writer.add_u32("split.count", count);
    writer.add_i32("split.tensors.count", total);
    if (number == 1) writer.add_string("general.architecture", "deepseek4");
    ASSERT_TRUE(writer.declare(tensor, DType::f32, {2}));
    const auto written = writer.write(part(number), [&](std::size_t, TensorSink& sink) {
      return sink.write(test::pattern(static_cast<std::size_t>(number), 8));
    });
    ASSERT_TRUE(written) << written.error().message;
  }
  std::string open_error(int number) const {
    const auto opened = GgufFile::open(part(number));
    EXPECT_FALSE(opened);
    return opened ? std::string() : opened.error().message;
  }

  TemporaryDirectory scratch_;
};

TEST_F(GgufSplit, any_part_opens_the_whole) {
  write_part(1, 0, 2, "a");
  write_part(2, 1, 2, "b");
  for (const int number : {1, 2}) {
    auto opened = GgufFile::open(part(number));
    ASSERT_TRUE(opened) << opened.error().message;
    const GgufFile file = std::move(*opened);
    EXPECT_EQ(file.find_string("general.architecture"), "deepseek4");
    EXPECT_TRUE(test::has_pattern(file.find_tensor("a")->data, 1));
    EXPECT_TRUE(test::has_pattern(file.find_tensor("b")->data, 2));
  }
}

TEST_F(GgufSplit, missing_and_mixed_parts_are_named) {
  write_part(1, 0, 2, "a");
  EXPECT_NE(open_error(1).find("m-00002-of-00002.gguf: this part of 2 is missing"),
            std::string::npos)
      << open_error(1);
  write_part(2, 0, 2, "b");
  EXPECT_NE(open_error(1).find("do not say part 1 of 2"), std::string::npos) << open_error(1);
  write_part(2, 1, 2, "a");
  EXPECT_NE(open_error(1).find("tensor 'a' appears twice"), std::string::npos) << open_error(1);
  write_part(2, 1, 2, "b");
  write_part(1, 0, 2, "a", 3);
  EXPECT_NE(open_error(1).find("expected 3 tensors, the 2 parts hold 2"), std::string::npos)
      << open_error(1);
  write_part(1, 0, 3, "a");
  EXPECT_NE(open_error(1).find("expected a name like NAME-00001-of-00003.gguf"), std::string::npos)
      << open_error(1);
}

TEST(GgufFiles, absent_files_and_directories_are_errors) {
  EXPECT_EQ(GgufFile::open("/nonexistent.gguf").error().code, ErrorCode::not_found);
  EXPECT_EQ(GgufFile::open("/tmp").error().code, ErrorCode::io_error);
}

TEST(GgufWriter, wrong_declarations_are_refused) {
  GgufWriter writer;
  EXPECT_TRUE(writer.declare("a", DType::f32, {2}));
  EXPECT_FALSE(writer.declare("a", DType::f32, {2}));
  EXPECT_FALSE(writer.declare("", DType::f32, {2}));
  EXPECT_FALSE(writer.declare("f8", DType::f8_e4m3, {2}));
  EXPECT_FALSE(writer.declare("none", DType::f32, {}));
  EXPECT_FALSE(writer.declare("five", DType::f32, {1, 1, 1, 1, 1}));
  EXPECT_FALSE(writer.declare("block", DType::mxfp4, {33}));
  EXPECT_FALSE(writer.declare("large", DType::f32, {1ULL << 62}));
  EXPECT_FALSE(writer.declare("sum", DType::i8, {~0ULL - 8}));
}

TEST(GgufWriter, a_failed_write_leaves_nothing_behind) {
  const TemporaryDirectory scratch;
  const auto short_data = [](std::size_t, TensorSink& sink) {
    return sink.write(test::pattern(0, 1));
  };
  EXPECT_FALSE(sample_writer().write(scratch.path() / "m.gguf", short_data));
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
}

}  // namespace
}  // namespace hadal
