// Energy and forces of water by a package that `equishare export model.safetensors model.pt2` has written; without Python.
//
//   g++ -std=c++20 energy.cpp -o energy $(python -c "from torch.utils.cpp_extension import include_paths, library_paths as l; \
//     print(*('-I' + p for p in include_paths()), *('-L' + p + ' -Wl,-rpath,' + p for p in l()))") -ltorch -ltorch_cpu -lc10
//   ./energy model.pt2
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/torch.h>

#include <iomanip>
#include <iostream>

int main(int argc, char** argv) {
    torch::inductor::AOTIModelPackageLoader loader(argv[1]);
    const double cutoff = std::stod(loader.get_metadata()["cutoff"]);
    const auto real = torch::dtype(torch::kFloat64), whole = torch::dtype(torch::kInt64);
    auto numbers = torch::tensor({8, 1, 1}, whole);
    auto positions = torch::tensor({{0.0, 0.0, 0.119}, {0.0, 0.763, -0.477}, {0.0, -0.763, -0.477}}, real);
    std::vector<int64_t> senders, receivers;  // every pair within the cutoff, both ways
    for (int64_t i = 0; i < 3; i++)
        for (int64_t j = 0; j < 3; j++)
            if (i != j && (positions[j] - positions[i]).norm().item<double>() < cutoff) {
                receivers.push_back(i);
                senders.push_back(j);
            }
    auto edges = torch::stack({torch::tensor(senders, whole), torch::tensor(receivers, whole)});
    auto cell = torch::zeros({3, 3}, real), shifts = torch::zeros({edges.size(1), 3}, real);  // no periodic images
    auto found = loader.run({numbers, positions, cell, edges, shifts});
    std::cout << std::setprecision(12) << found[0].item<double>() << "\n";  // eV
    auto forces = found[2].to(torch::kFloat64).contiguous();                // eV/Å
    for (int64_t k = 0; k < 9; k++) std::cout << forces.data_ptr<double>()[k] << "\n";
}
