// Our readers against files of the reference Python packages, and our writers against files that
// those packages were seen to read (tools/make_format_goldens.py, which also describes the
// contents).
#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "formats/json_limits.h"
#include "formats/safetensors.h"
#include "formats/safetensors_writer.h"
#include "formats/test_bytes.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace hadal {
namespace {

const std::filesystem::path kGoldens =
    std::filesystem::path(HADAL_SOURCE_DIR) / "tests/golden/formats";

nlohmann::json manifest() {
  const auto bytes = test::read_file(kGoldens / "manifest.json");
  auto json =
      parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "manifest.json");
  EXPECT_TRUE(json) << json.error().message;
  return *json;
}

// Compares with the committed file; on a difference the new bytes stay in a file to look at (and,
// if right, to commit).
void expect_golden(const std::vector<std::byte>& bytes, const std::string& name) {
  if (std::filesystem::exists(kGoldens / name) && bytes == test::read_file(kGoldens / name)) return;
  const auto path = std::filesystem::temp_directory_path() / "hadal-goldens" / name;
  test::write_file(path, bytes);
  ADD_FAILURE() << "differs from " << kGoldens / name << "; written to " << path
                << "; after copying it there run tools/make_format_goldens.py --check";
}

TEST(FormatGoldens, safetensors_of_the_python_package) {
  const auto file = SafetensorsFile::open(kGoldens / "python.safetensors");
  ASSERT_TRUE(file) << file.error().message;
  const auto cases = manifest().at("safetensors");
  EXPECT_EQ(file->view().tensors().size(), cases.size());
  EXPECT_EQ(file->view().metadata().at("format"), "pt");
  for (std::size_t t = 0; t < cases.size(); ++t) {
    const std::string name = cases[t].at("name");
    const SafetensorsTensor* tensor = file->view().find(name);
    ASSERT_NE(tensor, nullptr) << name;
    EXPECT_EQ(tensor->dtype_name, cases[t].at("dtype")) << name;
    EXPECT_EQ(tensor->shape, cases[t].at("shape").get<std::vector<std::uint64_t>>()) << name;
    EXPECT_TRUE(test::has_pattern(tensor->data, t)) << name;
    EXPECT_EQ(require_usable(*tensor, "python.safetensors").has_value(),
              !name.starts_with("extra."))
        << name;
  }
}

TEST(FormatGoldens, our_safetensors_are_those_the_python_package_read) {
  const auto theirs = SafetensorsFile::open(kGoldens / "python.safetensors");
  ASSERT_TRUE(theirs) << theirs.error().message;
  SafetensorsWriter writer;
  std::vector<std::size_t> number;  // of the case, by declaration
  const auto cases = manifest().at("safetensors");
  for (std::size_t t = 0; t < cases.size(); ++t) {
    const SafetensorsTensor* tensor = theirs->view().find(cases[t].at("name").get<std::string>());
    if (!tensor->dtype) continue;
    ASSERT_TRUE(writer.declare(tensor->name, *tensor->dtype, tensor->shape));
    number.push_back(t);
  }
  const auto image = writer.write_to_memory([&](std::size_t i, TensorSink& sink) {
    return sink.write(theirs->view().find(cases[number[i]].at("name").get<std::string>())->data);
  });
  ASSERT_TRUE(image) << image.error().message;
  expect_golden(*image, "ours.safetensors");
}

void expect_python_gguf(const GgufFile& file) {
  EXPECT_EQ(file.find_string("general.architecture"), "deepseek4");
  EXPECT_EQ(file.find_u32("t.u8"), 200U);
  EXPECT_EQ(file.find_i64("t.i8"), -100);
  EXPECT_EQ(file.find_u32("t.u16"), 60000U);
  EXPECT_EQ(file.find_i64("t.i16"), -30000);
  EXPECT_EQ(file.find_u32("t.u32"), 4000000000U);
  EXPECT_EQ(file.find_i64("t.i32"), -2000000000);
  EXPECT_EQ(file.find_u64("t.u64"), (1ULL << 63) + 5);
  EXPECT_EQ(file.find_i64("t.i64"), -(1LL << 62));
  EXPECT_EQ(file.find_f32("t.f32"), 0.5F);
  EXPECT_EQ(file.find_f64("t.f64"), 0.1);
  EXPECT_EQ(file.find_bool("t.true"), true);
  EXPECT_EQ(file.find_bool("t.false"), false);
  EXPECT_EQ(file.find_string("t.text"), "h\u00e9llo \u4e16\n");
  EXPECT_EQ(file.find_string("t.empty"), "");
  EXPECT_EQ(file.find_i32_array("a.ints"), (std::vector<std::int32_t>{1, -2, 3}));
  EXPECT_EQ(file.find_f32_array("a.floats"), (std::vector<float>{0.5F, -1.25F}));
  EXPECT_EQ(file.find_bool_array("a.bools"), (std::vector<bool>{true, false, true}));
  ASSERT_NE(file.find_string_array("a.strings"), nullptr);
  EXPECT_EQ(*file.find_string_array("a.strings"),
            (std::vector<std::string_view>{"<s>", "", "\u0120a", std::string(40, 'x')}));

  const auto cases = manifest().at("gguf");
  ASSERT_EQ(file.tensors().size(), cases.size());
  for (std::size_t t = 0; t < cases.size(); ++t) {
    const GgufTensor& tensor = file.tensors()[t];
    EXPECT_EQ(tensor.name, cases[t].at("name"));
    EXPECT_EQ(tensor.type_name, cases[t].at("type")) << tensor.name;
    EXPECT_EQ(tensor.dims, cases[t].at("dims").get<std::vector<std::uint64_t>>()) << tensor.name;
    EXPECT_FALSE(tensor.data.empty()) << tensor.name;
    EXPECT_TRUE(test::has_pattern(tensor.data, t)) << tensor.name;
    EXPECT_EQ(require_usable(tensor, "python.gguf").has_value(), tensor.type_name != "IQ3_S")
        << tensor.name;
  }
}

TEST(FormatGoldens, gguf_of_the_python_package) {
  const auto file = GgufFile::open(kGoldens / "python.gguf");
  ASSERT_TRUE(file) << file.error().message;
  expect_python_gguf(*file);
}

TEST(FormatGoldens, split_gguf_of_the_python_package) {
  for (const char* name :
       {"python-split-00001-of-00003.gguf", "python-split-00003-of-00003.gguf"}) {
    const auto file = GgufFile::open(kGoldens / name);
    ASSERT_TRUE(file) << file.error().message;
    expect_python_gguf(*file);
  }
}

TEST(FormatGoldens, our_gguf_is_the_one_the_python_package_read) {
  const auto theirs = GgufFile::open(kGoldens / "python.gguf");
  ASSERT_TRUE(theirs) << theirs.error().message;
  GgufWriter writer;
  writer.add_string("general.architecture", "deepseek4");
  writer.add_u32("t.u32", 4000000000U);
  writer.add_i32("t.i32", -2000000000);
  writer.add_u64("t.u64", (1ULL << 63) + 5);
  writer.add_f32("t.f32", 0.5F);
  writer.add_f64("t.f64", 0.1);
  writer.add_bool("t.true", true);
  writer.add_bool("t.false", false);
  writer.add_string("t.text", "h\u00e9llo \u4e16\n");
  writer.add_string("t.empty", "");
  writer.add_i32_array("a.ints", std::vector<std::int32_t>{1, -2, 3});
  writer.add_f32_array("a.floats", std::vector<float>{0.5F, -1.25F});
  writer.add_bool_array("a.bools", {true, false, true});
  writer.add_string_array("a.strings",
                          std::vector<std::string>{"<s>", "", "\u0120a", std::string(40, 'x')});
  writer.add_u32_array("ours.counts", std::vector<std::uint32_t>{0, 4000000000U});
  std::vector<const GgufTensor*> tensors;
  for (const GgufTensor& tensor : theirs->tensors()) {
    if (!tensor.dtype) continue;
    ASSERT_TRUE(writer.declare(tensor.name, *tensor.dtype, tensor.dims));
    tensors.push_back(&tensor);
  }
  const auto image = writer.write_to_memory(
      [&](std::size_t i, TensorSink& sink) { return sink.write(tensors[i]->data); });
  ASSERT_TRUE(image) << image.error().message;
  expect_golden(*image, "ours.gguf");
}

TEST(FormatGoldens, ggml_types_of_the_python_package) {
  const auto types = manifest().at("ggml_types");
  EXPECT_EQ(all_ggml_types().size(), types.size());
  for (const auto& expected : types) {
    const GgmlType* type = find_ggml_type(expected.at("id").get<std::uint32_t>());
    ASSERT_NE(type, nullptr) << expected;
    EXPECT_EQ(type->name, expected.at("name").get<std::string>());
    EXPECT_EQ(type->block_elements, expected.at("block")) << type->name;
    // The package keeps an older Q8_1 of two floats (40 bytes); ggml-common.h has two halves. It
    // never occurs in files.
    if (type->name != "Q8_1") {
      EXPECT_EQ(type->block_bytes, expected.at("bytes")) << type->name;
    }
    if (type->dtype) {
      EXPECT_EQ(info(*type->dtype).block_bytes, type->block_bytes) << type->name;
    }
  }
}

}  // namespace
}  // namespace hadal
